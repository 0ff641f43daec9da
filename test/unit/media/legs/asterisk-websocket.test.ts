import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type WebSocket, WebSocketServer } from "ws";

import type { Frame } from "../../../../src/media/frame.ts";
import { connectAsteriskLeg } from "../../../../src/media/legs/asterisk-websocket.ts";
import type { Leg } from "../../../../src/media/legs/port.ts";

let server: WebSocketServer;
let leg: Leg | undefined;

beforeEach(async () => {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: (names) => [...names][0] ?? false });
  await once(server, "listening");
});
afterEach(async () => {
  await leg?.close();
  leg = undefined;
  for (const client of server.clients) client.terminate();
  server.close();
});

const address = (path = "media/secret-id"): string =>
  `ws://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`;

const connect = async (codec: "alaw" | "slin16" = "alaw") => {
  const connected = once(server, "connection") as Promise<[WebSocket]>;
  const frames: Uint8Array[] = [];
  const lost = Promise.withResolvers<string>();
  leg = await connectAsteriskLeg(
    { kind: "asterisk-websocket", url: address(), codec },
    {
      onFrame: (frame: Frame) => {
        const bytes = frame.codec === "slin" ? new Uint8Array(frame.samples.buffer) : frame.payload;
        frames.push(Uint8Array.from(bytes));
      },
      onLost: lost.resolve,
    },
  );
  const [asterisk] = await connected;
  return { leg, asterisk, frames, lost: lost.promise };
};

const quiet: Frame = { codec: "alaw", payload: new Uint8Array(160).fill(0xd5), lost: 0 };
/** Resolves with the next text message, having counted the binary ones before it. */
const nextCommand = (asterisk: WebSocket): Promise<{ command: string; frames: number }> =>
  new Promise((resolve) => {
    let frames = 0;
    const onMessage = (data: Buffer, isBinary: boolean): void => {
      if (isBinary) {
        frames += 1;
        return;
      }
      asterisk.off("message", onMessage);
      resolve({ command: data.toString(), frames });
    };
    asterisk.on("message", onMessage);
  });

describe("the leg at Asterisk's WebSocket channel", () => {
  test("asks for the subprotocol `media`", async () => {
    const { asterisk } = await connect();
    expect(asterisk.protocol).toBe("media");
  });

  test("cuts packets of 10 and 30 ms into frames of 20 ms", async () => {
    const { asterisk, frames } = await connect();
    const bytes = Uint8Array.from({ length: 480 }, (_, i) => i % 251);
    for (const [from, to] of [
      [0, 80],
      [80, 320],
      [320, 480],
    ] as const)
      asterisk.send(bytes.subarray(from, to));
    asterisk.close();
    await once(asterisk, "close");
    expect(frames.map((frame) => frame.length)).toEqual([160, 160, 160]);
    expect(Buffer.concat(frames)).toEqual(Buffer.from(bytes));
  });

  test("samples of slin16 arrive whole, wherever the network cuts", async () => {
    const { asterisk, frames } = await connect("slin16");
    asterisk.send(new Uint8Array(641).fill(7));
    asterisk.send(new Uint8Array(639).fill(7));
    asterisk.close();
    await once(asterisk, "close");
    expect(frames.map((frame) => frame.length)).toEqual([640, 640]);
  });

  test("looks at Asterisk's queue every 25 frames, leaves frames out when it is long, and flushes a backlog", async () => {
    const { leg, asterisk } = await connect();
    const sendAndLook = async (frames: number): Promise<{ command: string; frames: number }> => {
      const command = nextCommand(asterisk);
      for (let i = 0; i < frames; i++) leg.send(quiet, true);
      return command;
    };
    expect(await sendAndLook(25)).toEqual({ command: "GET_STATUS", frames: 25 });
    asterisk.send("STATUS channel_id:1.1 queue_length:3 xon_level:800 xoff_level:900 queue_full:false");
    asterisk.ping();
    await once(asterisk, "pong"); // the status has been read
    // Three wait, one is enough: two are left out of the next ones.
    expect(await sendAndLook(27)).toEqual({ command: "GET_STATUS", frames: 25 });
    expect(leg.takeDropped()).toBe(2);
    const flush = nextCommand(asterisk);
    asterisk.send("STATUS channel_id:1.1 queue_length:15 xon_level:800 xoff_level:900 queue_full:false");
    expect((await flush).command).toBe("FLUSH_MEDIA");
    expect(leg.takeDropped()).toBe(15);
  });

  test("speech is spared when two frames wait, a pause is used", async () => {
    const { leg, asterisk } = await connect();
    for (let look = 0; look < 4; look++) {
      asterisk.send("STATUS channel_id:1.1 queue_length:2 xon_level:800 xoff_level:900 queue_full:false");
    }
    asterisk.ping();
    await once(asterisk, "pong");
    for (let i = 0; i < 10; i++) leg.send(quiet, false);
    expect(leg.takeDropped()).toBe(0);
    for (let i = 0; i < 10; i++) leg.send(quiet, true);
    expect(leg.takeDropped()).toBe(1);
  });

  test("a frame that was needed after all stays for longer the next time", async () => {
    const { leg, asterisk } = await connect();
    const lookFourTimes = async (frames: number): Promise<number> => {
      for (let look = 0; look < 4; look++)
        asterisk.send(`STATUS channel_id:1.1 queue_length:${frames} queue_full:false`);
      asterisk.ping();
      await once(asterisk, "pong");
      leg.send(quiet, true);
      return leg.takeDropped();
    };
    expect(await lookFourTimes(2)).toBe(1);
    expect(await lookFourTimes(1)).toBe(0);
    expect(await lookFourTimes(2)).toBe(0);
    expect(await lookFourTimes(2)).toBe(1);
    // A minute without it, and everything is as before.
    for (let seconds = 0; seconds < 60; seconds += 2) expect(await lookFourTimes(1)).toBe(0);
    expect(await lookFourTimes(2)).toBe(1);
  });

  test("a queue that is no number, an unknown event and an empty message change nothing", async () => {
    const { asterisk, leg, lost } = await connect();
    for (const text of ["STATUS queue_length:many", "STATUS", "MEDIA_XOFF", "", "ERROR x:y:z", '{"event":"STATUS"}']) {
      asterisk.send(text);
    }
    asterisk.ping();
    await once(asterisk, "pong");
    leg.send(quiet, true);
    expect(leg.takeDropped()).toBe(0);
    asterisk.close(1000);
    expect(await lost).toBe("Asterisk closed the media connection (code 1000)");
  });

  test("another codec than agreed is a lost leg, with both sizes in the message", async () => {
    const { asterisk, lost } = await connect();
    asterisk.send("MEDIA_START connection_id:x channel:WebSocket/x format:slin optimal_frame_size:320 ptime:20");
    expect(await lost).toBe("Asterisk uses frames of 320 bytes, alaw has 160");
  });

  test("a refused connection is MEDIA_FAILED, without the address's secret", async () => {
    const url = address();
    server.close();
    const refused = connectAsteriskLeg(
      { kind: "asterisk-websocket", url, codec: "alaw" },
      { onFrame: () => {}, onLost: () => {} },
    );
    await expect(refused).rejects.toMatchObject({
      code: "MEDIA_FAILED",
      retryable: true,
      message: expect.not.stringContaining("secret-id"),
    });
  });
});
