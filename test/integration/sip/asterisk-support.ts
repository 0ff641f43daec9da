import { once } from "node:events";

import { WebSocket } from "ws";

import { toneSamples } from "../../../deploy/lab/audio/tone.ts";
import type { DialRequest, LegFact, LegMedia, SipPort } from "../../../src/calls/ports.ts";
import { callId, type E164, legId, type LegId, trunkId } from "../../../src/ids.ts";
import type { Log, LogFields } from "../../../src/log.ts";
import { G711 } from "../../../src/media/codecs/g711.ts";

/** A log that keeps its lines, to look for what must not be in them. */
export const recordingLog = () => {
  const lines: string[] = [];
  const write = (fields: LogFields, message: string): void => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.stack : value))}`,
    );
  };
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  return { log, lines };
};

export type FactOf<T extends LegFact["type"]> = Extract<LegFact, { type: T }>;

export interface DialledLeg {
  readonly id: LegId;
  readonly facts: readonly LegFact[];
  readonly types: () => string[];
  /** The next fact that comes. */
  next(): Promise<void>;
  /** The first fact of this type, whether it was there before or comes in time. */
  until<T extends LegFact["type"]>(type: T, timeoutMs?: number): Promise<FactOf<T>>;
}

let nextLeg = 1;

/** Dials through an engine and writes down the facts. */
export const dialLeg = (port: SipPort, dialString: string, overrides: Partial<DialRequest> = {}): DialledLeg => {
  const id = overrides.legId ?? legId(`leg-${process.pid}-${nextLeg++}`);
  const facts: LegFact[] = [];
  const arrived = new EventTarget();
  const request: DialRequest = {
    callId: callId(`call-of-${id}`),
    legId: id,
    trunkId: trunkId("xivo"),
    dialString,
    callerId: { kind: "number", number: "+33240101112" as E164, name: "Alice" },
    ringTimeoutMs: 20_000,
    maxDurationMs: 60_000,
    ...overrides,
  };
  port.dial(request, (fact) => {
    facts.push(fact);
    arrived.dispatchEvent(new Event("fact"));
  });
  const until = async <T extends LegFact["type"]>(type: T, timeoutMs = 10_000): Promise<FactOf<T>> => {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = facts.find((fact): fact is FactOf<T> => fact.type === type);
      if (found !== undefined) return found;
      await once(arrived, "fact", { signal }).catch(() => {
        throw new Error(`${id}: no ${type} within ${timeoutMs} ms; facts: ${JSON.stringify(facts)}`);
      });
    }
  };
  const next = async (): Promise<void> => {
    await once(arrived, "fact", { signal: AbortSignal.timeout(10_000) });
  };
  return { id, facts, types: () => facts.map(({ type }) => type), until, next };
};

const SAMPLE_RATE_HZ = 8000;
const FRAME_SAMPLES = 160;

export interface LegAudio {
  /** Text messages of Asterisk. */
  readonly messages: readonly string[];
  readonly frameCount: () => number;
  /** The next `count` frames of 20 ms that come from the phone, decoded. */
  hear(count: number): Promise<Int16Array>;
  closed(): Promise<void>;
  close(): void;
}

/** The media worker's end of a leg's audio (A-law): says a tone in real time, and hears. */
export const connectAudio = async (media: LegMedia, toneHz: number): Promise<LegAudio> => {
  if (media.kind !== "asterisk-websocket" || media.codec !== "alaw") throw new Error(`no A-law audio: ${media.kind}`);
  const tone = toneSamples({ frequencyHz: toneHz, sampleRateHz: SAMPLE_RATE_HZ, levelDbfs: -20, seconds: 1 });
  const encoded = Uint8Array.from(tone, (sample) => G711.alaw.encode[sample & 0xffff]!);
  const socket = new WebSocket(media.url, "media");
  const messages: string[] = [];
  const frames: Int16Array[] = [];
  const arrived = new EventTarget();
  socket.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) return void messages.push(data.toString());
    frames.push(Int16Array.from(data, (code) => G711.alaw.decode[code]!));
    arrived.dispatchEvent(new Event("frame"));
  });
  await once(socket, "open");
  let sent = 0;
  const speak = setInterval(() => {
    const at = (sent++ * FRAME_SAMPLES) % encoded.length;
    socket.send(encoded.subarray(at, at + FRAME_SAMPLES));
  }, 20);
  const closed = once(socket, "close").then(() => clearInterval(speak));
  return {
    messages,
    frameCount: () => frames.length,
    hear: async (count) => {
      const first = frames.length;
      const signal = AbortSignal.timeout(count * 20 + 5000);
      while (frames.length < first + count) await once(arrived, "frame", { signal });
      return Int16Array.from(frames.slice(first, first + count).flatMap((frame) => [...frame]));
    },
    closed: () => closed,
    close: () => socket.close(),
  };
};

interface Console {
  cli(command: string): Promise<string>;
}

/** What Asterisk holds at this moment, as its console tells: channels and bridges of any program. */
export const heldByAsterisk = async (asterisk: Console): Promise<readonly string[]> => {
  const channels = (await asterisk.cli("core show channels concise")).split("\n").map((line) => line.split("!")[0]!);
  const [, ...bridges] = (await asterisk.cli("bridge show all")).split("\n");
  return [...channels, ...bridges].map((line) => line.trim()).filter((line) => line !== "");
};

/** Waits until Asterisk holds nothing (it drops a channel some ms after the request); throws with what is left after `withinMs`. */
export const expectNothingHeld = async (asterisk: Console, withinMs = 2000): Promise<void> => {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const held = await heldByAsterisk(asterisk);
    if (held.length === 0) return;
    if (performance.now() > deadline) throw new Error(`Asterisk still holds ${held.join(", ")}`);
  }
};

/** Our own tone comes from a timer of a busy process: a late frame bends it by some Hz. The tones of the lab are 160 Hz apart. */
export const expectTone = (heardHz: number, saidHz: number): void => {
  if (Math.abs(heardHz - saidHz) > 15) throw new Error(`heard ${heardHz} Hz instead of ${saidHz} Hz`);
};
