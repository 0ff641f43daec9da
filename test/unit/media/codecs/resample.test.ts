import { describe, expect, test } from "@jest/globals";

import { createDownsampler, createUpsampler } from "../../../../src/media/codecs/resample.ts";
import { createDecoder, createEncoder } from "../../../../src/media/codecs/transcode.ts";
import { createTone, toneLevel } from "../../../support/media/tones.ts";

const collect = (
  convert: (samples: Int16Array) => Int16Array,
  tone: (length: number) => Int16Array,
  length: number,
) => {
  const parts: number[] = [];
  for (let frame = 0; frame < 50; frame++) parts.push(...convert(tone(length)));
  // The first frames hold the filter's beginning.
  return Int16Array.from(parts.slice(parts.length / 5));
};
/** Amplitude 6000 is -14.7 dBFS. */
const LEVEL = 20 * Math.log10(6000 / 32768);

describe("resampling", () => {
  test.each([300, 1000, 3000])("8 to 16 kHz keeps %i Hz and adds no image", (frequencyHz) => {
    const output = collect(createUpsampler(160), createTone(8000, frequencyHz), 160);
    expect(toneLevel(output, 16000, frequencyHz)).toBeCloseTo(LEVEL, 0);
    expect(toneLevel(output, 16000, 8000 - frequencyHz)).toBeLessThan(LEVEL - 45);
  });

  test.each([300, 1000, 3000])("16 to 8 kHz keeps %i Hz", (frequencyHz) => {
    const output = collect(createDownsampler(320), createTone(16000, frequencyHz), 320);
    expect(toneLevel(output, 8000, frequencyHz)).toBeCloseTo(LEVEL, 0);
  });

  test("16 to 8 kHz lets no alias of 5 kHz through", () => {
    const output = collect(createDownsampler(320), createTone(16000, 5000), 320);
    expect(toneLevel(output, 8000, 3000)).toBeLessThan(LEVEL - 45);
  });
});

describe("frames to samples and back", () => {
  test("A-law at 8 kHz becomes samples at 16 kHz and A-law again", () => {
    const encode = createEncoder(16000, { codec: "alaw" });
    const decode = createDecoder(16000);
    const output = collect((samples) => decode(encode(samples))[0]!, createTone(16000, 1000), 320);
    expect(toneLevel(output, 16000, 1000)).toBeCloseTo(LEVEL, 0);
  });

  test("a frame of another length, or broken, gives nothing", () => {
    const decode = createDecoder(8000);
    expect(decode({ codec: "ulaw", payload: new Uint8Array(80), lost: 0 })).toEqual([]);
    expect(decode({ codec: "slin", sampleRateHz: 16000, samples: new Int16Array(160) })).toEqual([]);
    expect(decode({ codec: "opus", payload: new Uint8Array(0), lost: 0 })).toEqual([]);
    expect(decode({ codec: "opus", payload: Uint8Array.of(255, 255, 255), lost: 2 })).toEqual([]);
  });
});
