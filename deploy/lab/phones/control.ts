import { once } from "node:events";
import { connect } from "node:net";

import { z } from "zod";

// baresip's ctrl_tcp: netstrings ("LENGTH:JSON,") both ways; answers carry the token of their command, events do not.

const message = z.union([
  z.object({
    event: z.literal(true),
    type: z.string(),
    param: z.string().optional(),
  }),
  z.object({
    event: z.literal(false).optional(),
    response: z.literal(true),
    ok: z.boolean(),
    data: z.string().optional(),
    token: z.string().optional(),
  }),
]);

export interface PhoneEvent {
  /** baresip's name: CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED, CALL_DTMF_START, REGISTER_OK, ... */
  type: string;
  /** What goes with it: a SIP reason, a key. */
  param: string;
}

export interface PhoneControl {
  /** Runs one of baresip's commands (`dial`, `accept`, ...) and gives what it prints. Throws when it is refused. */
  command(name: string, params?: string): Promise<string>;
  close(): void;
}

/** Splits a stream into netstrings; call it with each chunk, it gives the complete ones. */
export function netstringReader(): (chunk: Buffer) => string[] {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const complete: string[] = [];
    for (;;) {
      const colon = rest.indexOf(":");
      if (colon < 0) return complete;
      const end = colon + 1 + Number(rest.toString("latin1", 0, colon));
      if (rest.length <= end) return complete;
      complete.push(rest.toString("utf8", colon + 1, end));
      rest = rest.subarray(end + 1);
    }
  };
}

/** Connects to a baresip's control port. */
export async function connectPhone(port: number, onEvent: (event: PhoneEvent) => void): Promise<PhoneControl> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const waiting = new Map<string, { resolve: (data: string) => void; reject: (error: Error) => void }>();
  const read = netstringReader();
  let nextToken = 0;

  const receive = (text: string) => {
    const parsed = message.parse(JSON.parse(text));
    if (parsed.event === true) {
      onEvent({ type: parsed.type, param: parsed.param ?? "" });
      return;
    }
    const waiter = waiting.get(parsed.token ?? "");
    if (parsed.ok) waiter?.resolve(parsed.data ?? "");
    else waiter?.reject(new Error(`the phone refused: ${parsed.data ?? "no reason given"}`));
    waiting.delete(parsed.token ?? "");
  };
  socket.on("data", (chunk) => read(chunk).forEach(receive));
  socket.on("error", () => {});
  socket.on("close", () => {
    for (const waiter of waiting.values()) waiter.reject(new Error("the phone was stopped"));
  });

  return {
    command: (name, params = "") =>
      new Promise((resolve, reject) => {
        const token = String(nextToken++);
        waiting.set(token, { resolve, reject });
        const json = JSON.stringify({ command: name, params, token });
        socket.write(`${Buffer.byteLength(json)}:${json},`);
      }),
    close: () => socket.destroy(),
  };
}
