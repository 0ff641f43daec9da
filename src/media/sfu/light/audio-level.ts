import { G711, type G711Law } from "../../codecs/g711.ts";
import { SILENCE_LEVEL } from "./rtp.ts";

const FULL_SCALE_ENERGY = 32768 * 32768;

const squares = (law: G711Law): Float64Array => Float64Array.from(G711[law].decode, (value) => value * value);
const ENERGY: Readonly<Record<G711Law, Float64Array>> = { alaw: squares("alaw"), ulaw: squares("ulaw") };

/** 0 (full scale) to 127 (silence): -dBov, RFC 6464. */
const levelOf = (energy: number, samples: number): number => {
  if (energy === 0 || samples === 0) return SILENCE_LEVEL;
  const decibels = -10 * Math.log10(energy / samples / FULL_SCALE_ENERGY);
  return Math.min(SILENCE_LEVEL, Math.max(0, Math.round(decibels)));
};

export const g711Level = (law: G711Law, payload: Uint8Array): number => {
  const table = ENERGY[law];
  let energy = 0;
  for (let i = 0; i < payload.length; i++) energy += table[payload[i]!]!;
  return levelOf(energy, payload.length);
};

export const samplesLevel = (samples: Int16Array): number => {
  let energy = 0;
  for (let i = 0; i < samples.length; i++) energy += samples[i]! * samples[i]!;
  return levelOf(energy, samples.length);
};

/** Bytes of an Opus frame with variable bit rate that has only silence or room noise in it. */
const QUIET_OPUS_BYTES = 20;
/** What a frame of Opus that is passed on undecoded is said to have, when its size says that somebody talks. */
const TALKING_LEVEL = 25;

/** An estimate: nobody decodes a frame that is passed on. */
export const opusLevel = (payload: Uint8Array): number =>
  payload.length <= QUIET_OPUS_BYTES ? SILENCE_LEVEL : TALKING_LEVEL;
