/**
 * One SfuClient as a process of its own: says tones, and measures what it hears of everybody. Driven over IPC by sfu-member.ts. Each
 * of the native libraries may be in a process once only, and a test runner loads modules several times.
 */
import { decodeG711, encodeG711 } from "../../../src/media/codecs/g711.ts";
import { createOpusDecoder, createOpusEncoder, type OpusDecoder } from "../../../src/media/codecs/opus.ts";
import type { Frame, SampleRateHz } from "../../../src/media/frame.ts";
import { loadSfuClients } from "../../../src/media/sfu/choose.ts";
import type { RemoteTrack, SfuClient } from "../../../src/media/sfu/port.ts";
import type { MemberAnswer, MemberRequest, Saying, TrackView } from "./sfu-member.ts";
import { createTone, toneLevel } from "./tones.ts";

const RATE_HZ: SampleRateHz = 16000;
const KEPT_FRAMES = 50;

interface Heard {
  readonly frames: { samples: Int16Array; sampleRateHz: number }[];
  readonly decoder: OpusDecoder;
  codec: string;
  count: number;
  lost: number;
  bytes: number;
}

const heard = new Map<string, Heard>();
const states: string[] = [];
const ended: string[] = [];
const keys: string[] = [];
let wanted: readonly string[] | "everybody" = "everybody";
let client: SfuClient | undefined;
interface Speech {
  readonly saying: Saying;
  readonly next: () => Frame;
}
let speech: Speech | undefined;

const samplesOf = (frame: Frame, { decoder }: Heard): { samples: Int16Array; sampleRateHz: number } => {
  switch (frame.codec) {
    case "slin":
      return { samples: frame.samples.slice(), sampleRateHz: frame.sampleRateHz };
    case "opus":
      return { samples: decoder.decode(frame.payload, 0)?.slice() ?? new Int16Array(320), sampleRateHz: RATE_HZ };
    case "alaw":
    case "ulaw":
      return { samples: decodeG711(frame.codec, frame.payload), sampleRateHz: 8000 };
  }
};

const onFrame = ({ identity }: RemoteTrack, frame: Frame): void => {
  const known = heard.get(identity) ?? {
    frames: [],
    decoder: createOpusDecoder(RATE_HZ),
    codec: "",
    count: 0,
    lost: 0,
    bytes: 0,
  };
  heard.set(identity, known);
  if (known.codec !== frame.codec) known.frames.length = 0;
  known.codec = frame.codec;
  known.count += 1;
  known.lost += frame.codec === "slin" ? 0 : frame.lost;
  known.frames.push(samplesOf(frame, known));
  if (known.frames.length > KEPT_FRAMES) known.frames.shift();
};

const createSpeech = ({ codec, frequencyHz }: Saying): (() => Frame) => {
  const tone =
    frequencyHz === 0 ? undefined : createTone(codec === "alaw" || codec === "ulaw" ? 8000 : RATE_HZ, frequencyHz);
  const encoder = createOpusEncoder(RATE_HZ);
  const samples = (count: number): Int16Array => tone?.(count) ?? new Int16Array(count);
  switch (codec) {
    case "alaw":
    case "ulaw":
      return () => ({ codec, payload: encodeG711(codec, samples(160)), lost: 0 });
    case "opus":
      return () => ({ codec, payload: encoder.encode(samples(320)), lost: 0 });
    case "slin":
      return () => ({ codec, sampleRateHz: RATE_HZ, samples: samples(320) });
  }
};

const sayOnce = ({ saying, next }: Speech): void => {
  const frame = next();
  for (let i = 0; i < (saying.times ?? 1); i++) client?.send(frame);
};

const speak = (): void => {
  let dueMs = performance.now();
  const tick = (): void => {
    while (performance.now() >= dueMs) {
      if (speech !== undefined) sayOnce(speech);
      dueMs += 20;
    }
    setTimeout(tick, dueMs - performance.now());
  };
  tick();
};

const level = (identity: string, frequencyHz: number, ms: number): number => {
  const recent = heard.get(identity)?.frames.slice(-ms / 20) ?? [];
  const rate = recent[0]?.sampleRateHz ?? 0;
  if (rate === 0) return -120;
  const samples = Int16Array.from(recent.flatMap((frame) => [...frame.samples]));
  return toneLevel(samples, rate, frequencyHz);
};

const tracks = (): TrackView[] =>
  (client?.remoteTracks() ?? []).map(({ trackId, identity, muted, undecryptable }) => ({
    trackId,
    identity,
    muted,
    undecryptable,
  }));

const handle = async (request: MemberRequest): Promise<MemberAnswer["value"]> => {
  switch (request.type) {
    case "open": {
      const createClient = await loadSfuClients(request.kind, (reason) => states.push(`native: ${reason}`));
      client = createClient({
        address: request.address,
        publishes: request.publishes,
        wants: (identity) => wanted === "everybody" || wanted.includes(identity),
        events: {
          onFrame,
          onState: (state, message) => states.push(`${state}: ${message}`),
          onTrackEnded: ({ identity }) => ended.push(identity),
          ...(request.takesKeys ? { onKey: (identity, digit) => keys.push(`${identity} ${digit}`) } : {}),
        },
      });
      return undefined;
    }
    case "connect":
      await client?.connect();
      return undefined;
    case "say":
      speech =
        request.saying === undefined ? undefined : { saying: request.saying, next: createSpeech(request.saying) };
      return undefined;
    case "key":
      client?.setKey({ identity: request.identity, index: request.index, key: Buffer.from(request.key, "base64") });
      return undefined;
    case "press":
      await client?.press(request.identity, request.key);
      return undefined;
    case "muted":
      client?.setMuted(request.muted);
      return undefined;
    case "listen":
      client?.listen(request.listening ? RATE_HZ : undefined);
      return undefined;
    case "wants":
      wanted = request.wanted;
      client?.review();
      return undefined;
    case "skip":
      client?.skip(request.frames);
      return undefined;
    case "level":
      return level(request.identity, request.frequencyHz, request.ms);
    case "heard": {
      const { count = 0, lost = 0, codec = "" } = heard.get(request.identity) ?? {};
      return { count, lost, codec };
    }
    case "tracks":
      return tracks();
    case "states":
      return states;
    case "ended":
      return ended;
    case "keys":
      return keys;
    case "usage": {
      const { user, system } = process.cpuUsage();
      return { count: user + system, lost: process.memoryUsage().rss, codec: "" };
    }
    case "close":
      await client?.close();
      return undefined;
  }
};

process.on("message", ({ id, request }: { id: number; request: MemberRequest }) => {
  handle(request).then(
    (value) => process.send?.({ id, value }),
    (thrown: unknown) => {
      const { code, message, cause } = thrown as { code?: string; message: string; cause?: Error };
      process.send?.({ id, error: { code, message, cause: cause?.message, causeName: cause?.name } });
    },
  );
});
process.on("disconnect", () => process.exit(0));
speak();
process.send?.({ id: 0 });
