import { expect, test } from "@jest/globals";

import { musicFrames, numberFrames, promptFrames } from "../../../src/media/prompts.ts";
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

/** The tones of some frames in order, by whole frames: the loudest of those asked for, or 0. */
const heard = (frames: readonly Int16Array[], frequenciesHz: readonly number[]): readonly number[] => {
  const tones = frames.map(
    (frame) => frequenciesHz.find((frequencyHz) => toneLevel(frame, 8000, frequencyHz) > -24) ?? 0,
  );
  return tones.filter((tone, index) => tone !== 0 && tone !== tones[index - 1]);
};

test.each([
  [0, [220]],
  [3, [880, 880, 880]],
  [21, [440, 440, 880]],
])("the number %i is tens low and ones high", (value, tones) => {
  expect(heard(numberFrames(value, 8000), [220, 440, 880])).toEqual(tones);
});

test("muted goes down, unmuted goes up", () => {
  expect(heard(promptFrames("muted", 8000), [440, 659])).toEqual([659, 440]);
  expect(heard(promptFrames("unmuted", 8000), [440, 659])).toEqual([440, 659]);
});

test("the music fills whole frames, so that it can be played again and again without a gap", () => {
  const frames = musicFrames(16000);
  expect(frames.length * 20).toBe(16 * 480);
  expect(frames.every((frame) => frame.length === 320)).toBe(true);
});
