import { expect, test } from "@jest/globals";

import { countFrames, musicFrames, promptFrames } from "../../../src/media/prompts.ts";
import { spokenFrames } from "../../../src/media/spoken-prompts.ts";
import { toneLevel } from "../../support/media/tones.ts";

test.each([8000, 16000] as const)("the prompt `alone` is three falling notes, twice, at %i Hz", (rateHz) => {
  const frames = promptFrames("alone", { language: "en" }, rateHz);
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

test.each([
  ["muted", ["muted"]],
  ["ended", ["conference-ended"]],
] as const)("%s is said in the phone's language", (name, words) => {
  const frames = words.flatMap((word) => spokenFrames({ name: word, language: "fr" }, 8000));
  expect(promptFrames(name, { language: "fr" }, 8000)).toEqual(frames);
});

test("a chime comes before the words that somebody is alone", () => {
  const words = spokenFrames({ name: "nobody-here", language: "de" }, 8000);
  const frames = promptFrames("waiting", { language: "de" }, 8000);
  expect(frames.slice(-words.length)).toEqual(words);
  expect(toneLevel(frames[1] ?? new Int16Array(160), 8000, 523)).toBeCloseTo(-18, 0);
});

test("the count is a sentence", () => {
  const names = ["count-before", "number-3", "count-after"] as const;
  const frames = names.flatMap((name) => spokenFrames({ name, language: "en" }, 16000));
  expect(countFrames(3, { language: "en" }, 16000)).toEqual(frames);
});

test("the music fills whole frames, so that it can be played again and again without a gap", () => {
  const frames = musicFrames(16000);
  expect(frames.length * 20).toBe(16 * 480);
  expect(frames.every((frame) => frame.length === 320)).toBe(true);
});
