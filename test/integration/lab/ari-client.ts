import { once } from "node:events";

import { WebSocket } from "ws";

import type { TrunkPeer } from "../../../deploy/lab/servers/trunk-peer.ts";

/** What these tests need of ARI, spoken directly so that they do not depend on the gateway's engine. */
export interface AriClient extends AsyncDisposable {
  request<T = { id: string }>(method: string, path: string, query?: Record<string, string>): Promise<T>;
  /** The first event that fits, whether it was received before or comes within 10 s. */
  event(type: string, fits: (event: AriEvent) => boolean): Promise<AriEvent>;
}

export interface AriEvent {
  type: string;
  channel?: { id: string; name: string; caller: { number: string; name: string } };
  args?: string[];
  digit?: string;
  peer?: { id: string };
  dialstatus?: string;
  cause?: number;
  tech_cause?: number;
}

export async function connectAri(peer: TrunkPeer, app: string): Promise<AriClient> {
  const credentials = `${peer.ariUser}:${peer.ariPassword}`;
  const events: AriEvent[] = [];
  const arrived = new EventTarget();
  const socket = new WebSocket(`${peer.ariUrl.replace(/^http/, "ws")}/events?app=${app}&api_key=${credentials}`);
  socket.on("message", (data: Buffer) => {
    events.push(JSON.parse(data.toString()) as AriEvent);
    arrived.dispatchEvent(new Event("event"));
  });
  await once(socket, "open");
  return {
    request: async <T>(method: string, path: string, query: Record<string, string> = {}) => {
      const response = await fetch(`${peer.ariUrl}${path}?${new URLSearchParams(query).toString()}`, {
        method,
        headers: { authorization: `Basic ${btoa(credentials)}` },
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return (text === "" ? undefined : JSON.parse(text)) as T;
    },
    event: async (type, fits) => {
      const signal = AbortSignal.timeout(10_000);
      for (;;) {
        const found = events.find((event) => event.type === type && fits(event));
        if (found !== undefined) return found;
        await once(arrived, "event", { signal }).catch(() => {
          throw new Error(`no ${type}; there were ${events.map((event) => event.type).join(" ")}`);
        });
      }
    },
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** The audio of an external-media channel: raw slin16 (16 kHz, 20 ms frames) over a WebSocket. */
export async function connectMedia(peer: TrunkPeer, connectionId: string) {
  const socket = new WebSocket(
    `${peer.ariUrl.replace(/^http/, "ws").replace(/\/ari$/, "")}/media/${connectionId}`,
    "media",
  );
  const heard: Int16Array[] = [];
  const arrived = new EventTarget();
  socket.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) return;
    heard.push(new Int16Array(new Uint8Array(data).buffer));
    arrived.dispatchEvent(new Event("frame"));
  });
  await once(socket, "open");
  return {
    /** Speaks in real time, one 20 ms frame for each frame heard, until `count` more frames were heard; gives those. */
    talk: async (samples: Int16Array, count: number): Promise<Int16Array> => {
      const first = heard.length;
      const signal = AbortSignal.timeout(10_000);
      for (let sent = 0; heard.length < first + count; sent++) {
        const at = (sent * 320) % samples.length;
        socket.send(samples.slice(at, at + 320));
        await once(arrived, "frame", { signal });
      }
      return Int16Array.from(heard.slice(first).flatMap((frame) => [...frame]));
    },
  };
}
