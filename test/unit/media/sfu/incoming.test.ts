import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";

import type { Frame } from "../../../../src/media/frame.ts";
import { createFrameEncryptor, deriveFrameKey } from "../../../../src/media/sfu/light/frame-crypto.ts";
import { createIncoming, type Incoming } from "../../../../src/media/sfu/light/incoming.ts";
import { RTP_HEADER_BYTES, writeRtpHeader } from "../../../../src/media/sfu/light/rtp.ts";
import { createManualClock, type ManualClock } from "../../../support/media/manual-clock.ts";

const OPUS = 111;
const TRAILER = Buffer.from("injected by the server");
const key = deriveFrameKey(Buffer.alloc(16, 7));

interface Scene {
  readonly incoming: Incoming;
  readonly clock: ManualClock;
  /** `payload+lost` of each frame. */
  readonly frames: string[];
  readonly missing: number[][];
  readonly undecryptable: boolean[];
  readonly receive: (sequence: number, options?: { payload?: Uint8Array; payloadType?: number; ssrc?: number }) => void;
}

const createScene = ({ encrypted = false, injectedTrailer = TRAILER } = {}): Scene => {
  const clock = createManualClock();
  const frames: string[] = [];
  const missing: number[][] = [];
  const undecryptable: boolean[] = [];
  const incoming = createIncoming({
    clock,
    ...(encrypted ? { keyOf: (index: number) => (index === 0 ? key : undefined) } : {}),
    injectedTrailer,
    onFrame: (frame: Frame) => {
      if (frame.codec !== "slin") frames.push(`${Buffer.from(frame.payload).toString()}+${frame.lost}`);
    },
    onUndecryptable: (value) => undecryptable.push(value),
    onMissing: (_ssrc, sequences) => missing.push([...sequences]),
  });
  return {
    incoming,
    clock,
    frames,
    missing,
    undecryptable,
    receive(sequence, { payload = Buffer.from(String(sequence)), payloadType = OPUS, ssrc = 1 } = {}) {
      const packet = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
      writeRtpHeader(packet, {
        payloadType,
        marker: false,
        sequence: sequence & 0xffff,
        timestamp: 0,
        ssrc,
        level: 20,
      });
      packet.set(payload, RTP_HEADER_BYTES);
      incoming.push(packet);
    },
  };
};

const encryptor = createFrameEncryptor();
const encrypted = (text: string, index = 0): Uint8Array => {
  encryptor.setKey(key, index);
  const out = Buffer.alloc(200);
  return out.subarray(0, encryptor.encryptInto(Buffer.from(text), out, 0));
};

describe("order", () => {
  test("packets in order pass at once", () => {
    const { receive, frames } = createScene();
    for (const sequence of [65534, 65535, 65536, 65537]) receive(sequence);
    expect(frames).toEqual(["65534+0", "65535+0", "65536+0", "65537+0"]);
  });

  test("two that have overtaken each other are put right, without waiting for a timer", () => {
    const { receive, frames, missing } = createScene();
    for (const sequence of [1, 3, 2, 4]) receive(sequence);
    expect(frames).toEqual(["1+0", "2+0", "3+0", "4+0"]);
    expect(missing).toEqual([[2]]);
  });

  test("what does not come within 40 ms is lost: the next frame says how many", () => {
    const { receive, frames, clock, missing } = createScene();
    receive(1);
    receive(4);
    clock.advance(20);
    receive(5);
    receive(7);
    clock.advance(19);
    expect(frames).toEqual(["1+0"]);
    clock.advance(1);
    expect(frames).toEqual(["1+0", "4+2", "5+0"]);
    clock.advance(40);
    expect(frames.at(-1)).toBe("7+1");
    expect(missing).toEqual([[2, 3], [6]]);
  });

  test("replays and stragglers are heard once or not at all", () => {
    const { receive, frames, clock } = createScene();
    for (const sequence of [10, 11, 11, 10, 13, 13]) receive(sequence);
    clock.advance(40);
    receive(12);
    receive(13);
    expect(frames).toEqual(["10+0", "11+0", "13+1"]);
  });

  test("a long gap is not waited for; a stream that counts anew is heard again", () => {
    const { receive, frames } = createScene();
    receive(1);
    receive(1000);
    expect(frames).toEqual(["1+0", "1000+50"]);
    for (let sequence = 0; sequence < 30; sequence++) receive(sequence);
    expect(frames.at(-1)).toBe("29+0");
  });

  test("another stream in the same section starts afresh", () => {
    const { receive, frames } = createScene();
    receive(1000);
    receive(5, { ssrc: 2 });
    expect(frames).toEqual(["1000+0", "5+0"]);
  });

  test("whatever the order, every frame comes once and ascending, and nothing is unaccounted for", () => {
    const sequences = fc.array(fc.nat({ max: 45 }), { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(sequences, fc.array(fc.nat({ max: 30 }), { minLength: 16, maxLength: 16 }), (order, pauses) => {
        const { receive, frames, clock } = createScene();
        order.forEach((sequence, i) => {
          receive(1000 + sequence);
          clock.advance(pauses[i]!);
        });
        clock.advance(100);
        const numbers = frames.map((text) => Number(text.split("+")[0]));
        const losses = frames.map((text) => Number(text.split("+")[1]));
        for (let i = 1; i < numbers.length; i++) expect(numbers[i]! - numbers[i - 1]! - 1).toBe(losses[i]!);
      }),
      { numRuns: 300 },
    );
  });
});

describe("what is no frame of the member", () => {
  test("wrong payload types, padding and RTCP cost nothing but a count", () => {
    const { receive, frames, incoming } = createScene();
    receive(1);
    receive(2, { payloadType: 13 });
    receive(3, { payload: new Uint8Array() });
    incoming.push(Buffer.from([0x80, 200, 0, 0]));
    receive(4);
    expect(frames).toEqual(["1+0", "4+0"]);
    expect(incoming.counts()).toMatchObject({ wrongPayloadType: 1, malformed: 1 });
  });

  test("frames that the SFU has injected are neither heard nor a fault", () => {
    const { receive, frames, undecryptable, incoming } = createScene({ encrypted: true });
    receive(1, { payload: encrypted("one") });
    for (let i = 2; i < 20; i++) receive(i, { payload: Buffer.concat([Buffer.from([0xf8, 0xff, 0xfe]), TRAILER]) });
    receive(20, { payload: encrypted("two") });
    expect(frames).toEqual(["one+0", "two+0"]);
    expect([undecryptable, incoming.counts().undecryptable]).toEqual([[], 0]);
  });

  test.each([0, 255])(
    "a trailer of %i bytes: what a member says is heard, and is never taken for injected",
    (length) => {
      const injectedTrailer = Buffer.alloc(length, 7);
      const { receive, frames, incoming } = createScene({ encrypted: true, injectedTrailer });
      receive(1, { payload: encrypted("one") });
      receive(2, { payload: Buffer.concat([Buffer.from([0xf8]), injectedTrailer]) });
      receive(3, { payload: injectedTrailer.subarray(1) });
      receive(4, { payload: encrypted("two") });
      expect(frames.map((text) => text.split("+")[0])).toEqual(["one", "two"]);
      expect(incoming.counts().undecryptable).toBe(1);
    },
  );

  test("frames with an unknown key: reported once, counted as lost, and heard again when the key fits", () => {
    const { receive, frames, undecryptable } = createScene({ encrypted: true });
    receive(1, { payload: encrypted("one") });
    for (let i = 2; i < 9; i++) receive(i, { payload: encrypted("secret", 9) });
    expect(undecryptable).toEqual([true]);
    receive(9, { payload: encrypted("two") });
    expect(frames).toEqual(["one+0", "two+7"]);
    expect(undecryptable).toEqual([true, false]);
  });

  test("in an encrypted room frames in clear are not heard", () => {
    const { receive, frames } = createScene({ encrypted: true });
    receive(1, { payload: Buffer.from("nobody encrypted this, whatever its length may be") });
    expect(frames).toEqual([]);
  });

  test("10,000 packets in a second: most are not even looked at, and the next second is as usual", () => {
    const { receive, frames, clock, incoming } = createScene();
    for (let sequence = 0; sequence < 10_000; sequence++) receive(sequence);
    expect(frames).toHaveLength(600);
    expect(incoming.counts().tooMany).toBe(9400);
    clock.advance(1000);
    receive(10_000);
    expect(frames).toHaveLength(601);
  });

  test("no bytes make it throw", () => {
    const { incoming, frames } = createScene({ encrypted: true });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        incoming.push(Buffer.from(bytes));
        expect(frames).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
