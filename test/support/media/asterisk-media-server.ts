import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { type WebSocket, WebSocketServer } from "ws";

import { decodeG711, encodeG711 } from "../../../src/media/codecs/g711.ts";
import { createTone, monotonicMs, onsetOf } from "./tones.ts";

const RATE_HZ = 8000;
const FRAME = 160;
/** Two seconds are kept of what the phone hears. */
const KEPT_FRAMES = 100;

/** One phone behind the server: what it says, and what it hears. */
export interface MediaLeg {
  /** Frequency it says from now on; undefined: silence; "nothing": no frames at all. */
  say(tone: number | undefined | "nothing"): void;
  /** Says a loud tone of 100 ms, out of silence; resolves with the moment its first frame left. */
  burst(): Promise<number>;
  /** Resolves with the moment a loud sound comes out of the phone, after at least one quiet frame. */
  onset(): Promise<number>;
  /** The last `ms` of what came out of the phone. */
  heard(ms: number): Int16Array;
  /** Frames waiting in the server, as GET_STATUS reports them. */
  queueLength(): number;
  /** Frames that arrived. */
  received(): number;
  /** Ticks that found no frame to play. */
  gaps(): number;
  commands: string[];
  /** While set, nothing is played (Asterisk itself is stopped). */
  stalled: boolean;
  drop(): void;
  closed: Promise<void>;
}

export interface AsteriskMediaServer {
  /** Address for the next leg. */
  url(name: string): string;
  leg(name: string): Promise<MediaLeg>;
  close(): Promise<void>;
}

/** Plays the part of chan_websocket for A-law: a queue that is played at 20 ms a frame, and a phone that talks. */
export const startAsteriskMediaServer = async (): Promise<AsteriskMediaServer> => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "media" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const legs = new Map<string, PromiseWithResolvers<MediaLeg>>();
  const legOf = (name: string) => {
    const known = legs.get(name) ?? Promise.withResolvers<MediaLeg>();
    legs.set(name, known);
    return known;
  };
  server.on("connection", (socket, request) => {
    const name = (request.url ?? "").split("/").at(-1) ?? "";
    legOf(name).resolve(serve(socket));
  });
  return {
    url(name) {
      legs.delete(name);
      return `ws://127.0.0.1:${port}/media/${name}`;
    },
    leg: (name) => legOf(name).promise,
    async close() {
      for (const client of server.clients) client.terminate();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};

const serve = (socket: WebSocket): MediaLeg => {
  const queue: Int16Array[] = [];
  const heard: Int16Array[] = [];
  const commands: string[] = [];
  let tone: ReturnType<typeof createTone> | undefined | "nothing";
  let burst: { resolve: (at: number) => void; frames: number; source: ReturnType<typeof createTone> } | undefined;
  let onset: { resolve: (at: number) => void; quiet: boolean } | undefined;
  let received = 0;
  let gaps = 0;

  const speak = (): void => {
    if (tone === "nothing") return;
    let samples = typeof tone === "function" ? tone(FRAME) : new Int16Array(FRAME);
    if (burst !== undefined) {
      samples = burst.source(FRAME);
      burst.resolve(monotonicMs());
      burst.frames -= 1;
      if (burst.frames === 0) burst = undefined;
    }
    socket.send(encodeG711("alaw", samples));
  };
  const play = (): void => {
    const frame = queue.shift();
    if (frame === undefined) gaps += 1;
    const samples = frame ?? new Int16Array(FRAME);
    heard.push(samples);
    if (heard.length > KEPT_FRAMES) heard.shift();
    if (onset === undefined) return;
    const at = onsetOf(samples);
    if (at < 0) onset.quiet = true;
    else if (onset.quiet) {
      onset.resolve(monotonicMs() + (at / RATE_HZ) * 1000);
      onset = undefined;
    }
  };

  const leg: MediaLeg = {
    say(frequency) {
      tone = typeof frequency === "number" ? createTone(RATE_HZ, frequency) : frequency;
    },
    burst: () =>
      new Promise((resolve) => {
        burst = { resolve, frames: 5, source: createTone(RATE_HZ, 1000, 12000) };
      }),
    onset: () =>
      new Promise((resolve) => {
        onset = { resolve, quiet: false };
      }),
    heard(ms) {
      const frames = heard.slice(-ms / 20);
      const samples = new Int16Array(frames.length * FRAME);
      frames.forEach((frame, i) => samples.set(frame, i * FRAME));
      return samples;
    },
    queueLength: () => queue.length,
    received: () => received,
    gaps: () => gaps,
    commands,
    stalled: false,
    drop: () => socket.terminate(),
    closed: once(socket, "close").then(() => {}),
  };

  socket.send(
    `MEDIA_START connection_id:x channel:WebSocket/x channel_id:1.1 format:alaw optimal_frame_size:160 ptime:20`,
  );
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) {
      received += 1;
      queue.push(decodeG711("alaw", data));
      return;
    }
    const command = data.toString();
    commands.push(command);
    if (command === "GET_STATUS") {
      socket.send(
        `STATUS channel_id:1.1 queue_length:${queue.length} xon_level:800 xoff_level:900 queue_full:false bulk_media:false media_paused:false`,
      );
    } else if (command === "FLUSH_MEDIA") queue.length = 0;
  });
  let due = performance.now();
  const timer = setInterval(() => {
    for (; performance.now() >= due; due += 20) {
      if (leg.stalled) continue;
      speak();
      play();
    }
  }, 4);
  socket.on("close", () => clearInterval(timer));
  return leg;
};
