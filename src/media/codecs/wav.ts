import type { SampleRateHz } from "../frame.ts";
import { decodeG711 } from "./g711.ts";

export interface WavAudio {
  readonly sampleRateHz: SampleRateHz;
  readonly samples: Int16Array;
}

/** Format tags (RFC 2361). */
const PCM = 1;
const ALAW = 6;
const ULAW = 7;

const decode = (tag: number, bits: number, data: Buffer): Int16Array => {
  if (tag === PCM && bits === 16) {
    return Int16Array.from({ length: data.length >> 1 }, (_, index) => data.readInt16LE(2 * index));
  }
  if (tag === ALAW && bits === 8) return decodeG711("alaw", data);
  if (tag === ULAW && bits === 8) return decodeG711("ulaw", data);
  throw new Error(`it has format ${tag} with ${bits} bits, not PCM with 16 bits, A-law or µ-law`);
};

/** Mono WAV of 8 or 16 kHz. Throws an Error whose message continues "the file cannot be used: ". */
export const readWav = (bytes: Buffer): WavAudio => {
  if (bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.toString("latin1", 8, 12) !== "WAVE") {
    throw new Error("it is no WAV file");
  }
  let format: { tag: number; channels: number; rateHz: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = bytes.toString("latin1", at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (id === "fmt " && body.length >= 16) {
      format = {
        tag: body.readUInt16LE(0),
        channels: body.readUInt16LE(2),
        rateHz: body.readUInt32LE(4),
        bits: body.readUInt16LE(14),
      };
    } else if (id === "data" && format !== undefined) {
      const { tag, channels, rateHz, bits } = format;
      if (channels !== 1) throw new Error(`it has ${channels} channels, not one`);
      if (rateHz !== 8000 && rateHz !== 16000)
        throw new Error(`it has ${rateHz} samples per second, not 8000 or 16000`);
      return { sampleRateHz: rateHz, samples: decode(tag, bits, body) };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error("it holds no audio");
};
