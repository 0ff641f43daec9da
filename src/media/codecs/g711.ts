/** G.711 (ITU-T G.711, 8 kHz, 8 bits) by table: both directions are one look-up per sample. */

export type G711Law = "alaw" | "ulaw";

export interface G711Tables {
  /** Linear value of each of the 256 codes. */
  readonly decode: Int16Array;
  /** Code of each 16-bit value, indexed by the value's low 16 bits. */
  readonly encode: Uint8Array;
  /** The code of silence. */
  readonly silence: number;
}

const ULAW_BIAS = 0x84;

const decodeAlaw = (code: number): number => {
  const bits = code ^ 0x55;
  const segment = (bits & 0x70) >> 4;
  let magnitude = ((bits & 0x0f) << 4) + 8;
  if (segment > 0) magnitude = (magnitude + 0x100) << (segment - 1);
  return (bits & 0x80) !== 0 ? magnitude : -magnitude;
};

const decodeUlaw = (code: number): number => {
  const bits = ~code & 0xff;
  const segment = (bits & 0x70) >> 4;
  const magnitude = (((bits & 0x0f) << 3) + ULAW_BIAS) << segment;
  return (bits & 0x80) !== 0 ? ULAW_BIAS - magnitude : magnitude - ULAW_BIAS;
};

const encodeAlaw = (sample: number): number => {
  const sign = sample >= 0 ? 0x80 : 0;
  // 13 bits: A-law does not see the three lowest ones. Negative values by ones' complement, as the standard's table.
  const magnitude = (sample >= 0 ? sample : ~sample) >> 3;
  let segment = 0;
  for (let rest = magnitude >> 5; rest > 0; rest >>= 1) segment += 1;
  const mantissa = segment < 2 ? (magnitude >> 1) & 0x0f : (magnitude >> segment) & 0x0f;
  return (sign | (segment << 4) | mantissa) ^ 0x55;
};

const encodeUlaw = (sample: number): number => {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), 32635) + ULAW_BIAS;
  let segment = 7;
  for (let bit = 0x4000; segment > 0 && (magnitude & bit) === 0; bit >>= 1) segment -= 1;
  return ~(sign | (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)) & 0xff;
};

const buildTables = (decode: (code: number) => number, encode: (sample: number) => number): G711Tables => {
  const decodeTable = new Int16Array(256);
  for (let code = 0; code < 256; code++) decodeTable[code] = decode(code);
  const encodeTable = new Uint8Array(65536);
  for (let sample = -32768; sample < 32768; sample++) encodeTable[sample & 0xffff] = encode(sample);
  return { decode: decodeTable, encode: encodeTable, silence: encode(0) };
};

export const G711: Readonly<Record<G711Law, G711Tables>> = {
  alaw: buildTables(decodeAlaw, encodeAlaw),
  ulaw: buildTables(decodeUlaw, encodeUlaw),
};

/** Samples of `payload`, in `out` (at least as long) where it is given. */
export const decodeG711 = (law: G711Law, payload: Uint8Array, out = new Int16Array(payload.length)): Int16Array => {
  const table = G711[law].decode;
  for (let i = 0; i < payload.length; i++) out[i] = table[payload[i]!]!;
  return out;
};

/** Codes of `samples`, in `out` (at least as long) where it is given. */
export const encodeG711 = (law: G711Law, samples: Int16Array, out = new Uint8Array(samples.length)): Uint8Array => {
  const table = G711[law].encode;
  for (let i = 0; i < samples.length; i++) out[i] = table[samples[i]! & 0xffff]!;
  return out;
};
