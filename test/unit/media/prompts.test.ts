import { expect, test } from "@jest/globals";

import { promptFrames } from "../../../src/media/prompts.ts";
import { toneLevel } from "../../support/media/tones.ts";

test.each([8000, 16000] as const)("the prompt `alone` is three falling notes, twice, at %i Hz", (rateHz) => {
  const frames = promptFrames("alone", rateHz);
  expect(frames.every((frame) => frame.length === rateHz / 50)).toBe(true);
  const samples = Int16Array.from(frames.flatMap((frame) => [...frame]));
  const at = (startMs: number, endMs: number): Int16Array =>
    samples.subarray((startMs * rateHz) / 1000, (endMs * rateHz) / 1000);
  for (const startMs of [0, 1200]) {
    expect(toneLevel(at(startMs + 20, startMs + 180), rateHz, 784)).toBeCloseTo(-18, 0);
    expect(toneLevel(at(startMs + 280, startMs + 440), rateHz, 659)).toBeCloseTo(-18, 0);
    expect(toneLevel(at(startMs + 540, startMs + 900), rateHz, 523)).toBeCloseTo(-18, 0);
  }
  expect(Math.max(...at(940, 1190).map(Math.abs))).toBe(0);
});
