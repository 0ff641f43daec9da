// The lab's measuring instrument: every tone, delay and silence that a test or benchmark reports goes through it.
import { expect, test } from "@jest/globals";

import { toneLevels } from "../../../deploy/lab/audio/analysis.ts";
import { toneSamples } from "../../../deploy/lab/audio/tone.ts";
import { createHearing, type Hearing } from "../../../deploy/lab/member/hearing.ts";

const sampleRateHz = 48_000;
const FRAME = 480;

const tone = (frequencyHz: number, levelDbfs: number, seconds: number): Int16Array =>
  toneSamples({ frequencyHz, sampleRateHz, levelDbfs, seconds });

const concat = (...parts: Int16Array[]): Int16Array => Int16Array.from(parts.flatMap((part) => [...part]));

/** Adds `pcm` in 10 ms frames, the first of which arrives at `startMs`. */
function play(hearing: Hearing, source: string, pcm: Int16Array, startMs: number): void {
  for (let i = 0; i * FRAME < pcm.length; i += 1) {
    hearing.add(source, pcm.slice(i * FRAME, (i + 1) * FRAME), startMs + 10 * i);
  }
}

const createTestHearing = (): Hearing => createHearing({ sampleRateHz, windowMs: 60, keepMs: 30_000 });

test("a tone is reported with its level and the arrival of its first frame", async () => {
  const hearing = createTestHearing();
  const heard = hearing.hear(1500, { sinceMs: 0, withinMs: 1000 });
  play(hearing, "phone", concat(new Int16Array(50 * FRAME), tone(1500, -20, 0.2)), 1000);
  const { source, levelDbfs, firstFrameAtMs } = await heard;
  expect(source).toBe("phone");
  expect(levelDbfs).toBeCloseTo(-20, 0);
  expect(firstFrameAtMs).toBe(1500);
});

test("a tone beside it, a quieter one, an earlier one and another source's do not count", async () => {
  const hearing = createTestHearing();
  play(hearing, "phone", tone(930, -12, 0.5), 1000);
  play(hearing, "phone", tone(610, -12, 0.5), 1500);
  play(hearing, "browser", tone(770, -45, 0.5), 1500);
  const short = { withinMs: 20, sinceMs: 1500 };
  await expect(hearing.hear(930, short)).rejects.toThrow(
    "no tone of 930 Hz at -40 dBFS or more within 0.02 s; heard 610 Hz at -12 dBFS from phone",
  );
  await expect(hearing.hear(770, short)).rejects.toThrow("770 Hz at -45 dBFS from browser");
  await expect(
    hearing.hear(610, { ...short, from: (source) => source === "browser", fromWhom: "browser" }),
  ).rejects.toThrow("from browser within");
});

test("several tones in one source are told apart, the loudest first", () => {
  const hearing = createTestHearing();
  const [first, second] = [tone(440, -12, 1), tone(770, -20, 1)];
  play(
    hearing,
    "mix",
    first.map((sample, i) => sample + second[i]!),
    1000,
  );
  const tones = hearing.heardSince(0);
  expect(tones.map(({ frequencyHz }) => frequencyHz)).toEqual([440, 770]);
  expect(tones[1]!.levelDbfs).toBeCloseTo(-20, 0);
  expect(hearing.heardSince(5000)).toEqual([]);
});

test("a recording holds every source where it was heard", () => {
  const hearing = createTestHearing();
  play(hearing, "a", tone(440, -12, 1), 1000);
  play(hearing, "b", tone(930, -12, 1), 2500);
  const recording = hearing.recording();
  const levelsAt = (seconds: number) =>
    toneLevels(recording.subarray(seconds * sampleRateHz, (seconds + 0.4) * sampleRateHz), sampleRateHz, [440, 930]);
  expect(levelsAt(0.3)[440]).toBeCloseTo(-12, 0);
  expect(levelsAt(0.3)[930]).toBeLessThan(-60);
  expect(levelsAt(1.05)[440]).toBeLessThan(-60);
  expect(levelsAt(1.8)[930]).toBeCloseTo(-12, 0);
});
