/**
 * Opus (RFC 6716) from `@evan/opus`. Its JavaScript decodes no in-band FEC, so packets are decoded by the libopus inside its
 * WebAssembly file, called directly; the encoder is its native one, or the same file where the binary does not load
 * (docs/decisions/0009-opus.md).
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { FRAME_MS, MAX_MADE_UP_FRAMES, type SampleRateHz, samplesPerFrame } from "../frame.ts";

/** RFC 6716, section 2.1.1, names 16 to 20 kb/s for wideband speech; the rest is room for the copies that in-band FEC sends along. */
const BITRATE_BPS = 32_000;
/** The middle of libopus's range: 0.8 % of a core for a stream (decision 9). */
const COMPLEXITY = 5;
/** What the encoder prepares for: below it, libopus sends no FEC. */
const EXPECTED_LOSS_PERCENT = 5;

/** RFC 6716, section 3.4: a packet holds at most 120 ms, and a frame at most 1275 bytes. */
const MAX_PACKET_MS = 120;
const MAX_PACKET_BYTES = 6 * 1276;

/** The functions of libopus (opus.h) that are used. Addresses are offsets in `memory`. */
interface Libopus {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(address: number): void;
  opus_decoder_get_size(channels: number): number;
  opus_decoder_init(decoder: number, sampleRateHz: number, channels: number): number;
  opus_decode(decoder: number, data: number, bytes: number, out: number, samples: number, fec: 0 | 1): number;
}

/** The part of `@evan/opus` that is used; its package has no types that TypeScript finds. */
interface EvanOpus {
  readonly Encoder: new (options: { channels: 1; sample_rate: SampleRateHz; application: "voip" }) => {
    encode(samples: Int16Array): Uint8Array;
    bitrate: number;
    complexity: number;
    inband_fec: boolean;
    packet_loss: number;
    signal: "voice";
  };
}

/** The part of WebAssembly that is used; TypeScript knows it from browsers only. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  };
};

const require = createRequire(import.meta.url);

const loadLibopus = (): Libopus => {
  const module = new WebAssembly.Module(readFileSync(require.resolve("@evan/opus/wasm/simd.wasm")));
  const unused = (): number => 0;
  const { exports } = new WebAssembly.Instance(module, {
    wasi_snapshot_preview1: { fd_seek: unused, fd_write: unused, fd_close: unused, proc_exit: unused },
    env: { emscripten_notify_memory_growth: unused },
  });
  return exports as Libopus;
};

let loaded: { readonly libopus: Libopus; readonly input: number; readonly output: number } | undefined;

const load = () => {
  if (loaded !== undefined) return loaded;
  const libopus = loadLibopus();
  // All decoders share them: a decoder keeps nothing outside itself.
  const input = libopus.malloc(MAX_PACKET_BYTES);
  const output = libopus.malloc((samplesPerFrame(16000) / FRAME_MS) * MAX_PACKET_MS * Int16Array.BYTES_PER_ELEMENT);
  loaded = { libopus, input, output };
  return loaded;
};

/** A decoder is forgotten with its track; nobody has to remember closing it. */
const forgotten = new FinalizationRegistry<number>((address) => loaded?.libopus.free(address));

export interface OpusDecoder {
  /**
   * Samples of one packet; before them those of the `lost` frames that are missing right before it (at most 100 ms): from the
   * packet's in-band FEC where it has one, else concealed. Undefined for what is not Opus. Valid until the next call of any decoder.
   */
  decode(packet: Uint8Array, lost: number): Int16Array | undefined;
}

/** Mono, at the rate asked for, whatever the packets have. */
export const createOpusDecoder = (sampleRateHz: SampleRateHz): OpusDecoder => {
  const { libopus, input, output } = load();
  const address = libopus.malloc(libopus.opus_decoder_get_size(1));
  if (libopus.opus_decoder_init(address, sampleRateHz, 1) !== 0) throw new Error("libopus made no decoder");
  const frameSamples = samplesPerFrame(sampleRateHz);
  const packetSamples = (sampleRateHz * MAX_PACKET_MS) / 1000;
  const result = new Int16Array(MAX_MADE_UP_FRAMES * frameSamples + packetSamples);

  /** Appends what libopus gives to `result`; the number of samples, negative for an error. */
  const run = (at: number, bytes: number, samples: number, fec: 0 | 1): number => {
    const count = libopus.opus_decode(address, input, bytes, output, samples, fec);
    if (count > 0) result.set(new Int16Array(libopus.memory.buffer, output, count), at);
    return count;
  };
  const decoder: OpusDecoder = {
    decode(packet, lost) {
      // Without data libopus would conceal: an empty packet is none.
      if (packet.length === 0 || packet.length > MAX_PACKET_BYTES) return undefined;
      new Uint8Array(libopus.memory.buffer).set(packet, input);
      const missing = Math.min(lost, MAX_MADE_UP_FRAMES) * frameSamples;
      // One call: libopus conceals what lies further back than the FEC reaches.
      const madeUp = missing === 0 ? 0 : Math.max(0, run(0, packet.length, missing, 1));
      const count = run(madeUp, packet.length, packetSamples, 0);
      return count < 0 ? undefined : result.subarray(0, madeUp + count);
    },
  };
  forgotten.register(decoder, address);
  return decoder;
};

/** A packet that says "silence, and nothing more for a while" (DTX): libopus makes none that short of a sound. */
export const isOpusDtx = (packet: Uint8Array): boolean => packet.length <= 2;

export interface OpusEncoder {
  /** Encodes 20 ms. */
  encode(samples: Int16Array): Uint8Array;
}

/** For speech, with in-band FEC. */
export const createOpusEncoder = (sampleRateHz: SampleRateHz): OpusEncoder => {
  const { Encoder } = require("@evan/opus") as EvanOpus;
  const encoder = new Encoder({ channels: 1, sample_rate: sampleRateHz, application: "voip" });
  encoder.bitrate = BITRATE_BPS;
  encoder.complexity = COMPLEXITY;
  encoder.signal = "voice";
  encoder.inband_fec = true;
  encoder.packet_loss = EXPECTED_LOSS_PERCENT;
  return encoder;
};
