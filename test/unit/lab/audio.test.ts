import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { dominantFrequency, SILENCE_DBFS, toneLevels } from "../../../deploy/lab/audio/analysis.ts";
import { toneSamples, TONES_HZ, writeToneWav } from "../../../deploy/lab/audio/tone.ts";
import { decodeAlaw, decodeMulaw, readWav } from "../../../deploy/lab/audio/wav.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mrtc-audio-"));
});
afterAll(() => rm(folder, { recursive: true }));

const tone = (frequencyHz: number, levelDbfs = -20) =>
  toneSamples({ frequencyHz, sampleRateHz: 8000, levelDbfs, seconds: 0.2 });

test.each(Object.values(TONES_HZ))("%d Hz is found at its level and the lab's other tones are not", (frequency) => {
  const others = Object.values(TONES_HZ).filter((other) => other !== frequency);
  const levels = toneLevels(tone(frequency), 8000, Object.values(TONES_HZ));
  expect(levels[frequency]).toBeCloseTo(-20, 1);
  expect(Math.max(...others.map((other) => levels[other]))).toBeLessThan(-70);
});

test("two tones at once keep their own levels", () => {
  const [loud, soft] = [tone(440, -12), tone(610, -32)];
  const mixed = loud.map((sample, i) => sample + soft[i]!);
  const levels = toneLevels(mixed, 8000, [440, 610]);
  expect(levels[440]).toBeCloseTo(-12, 1);
  expect(levels[610]).toBeCloseTo(-32, 0);
});

test("the dominant frequency is found without knowing it", () => {
  expect(dominantFrequency(tone(1003), 8000).frequencyHz).toBeGreaterThanOrEqual(1001);
  expect(dominantFrequency(tone(1003), 8000).frequencyHz).toBeLessThanOrEqual(1005);
  expect(dominantFrequency(new Int16Array(1600), 8000)).toEqual({ frequencyHz: 0, levelDbfs: SILENCE_DBFS });
});

test("a WAV file is read back, also while its header still has no length", async () => {
  const file = join(folder, "tone.wav");
  await writeToneWav(file, { frequencyHz: 440, sampleRateHz: 8000, levelDbfs: -20, seconds: 0.2 });
  await expect(readWav(file)).resolves.toEqual({ sampleRateHz: 8000, samples: tone(440) });
  const growing = await readFile(file);
  growing.writeUInt32LE(0, 40);
  await writeFile(file, growing);
  await appendFile(file, Buffer.alloc(320));
  expect((await readWav(file)).samples).toHaveLength(1600 + 160);
});

test("G.711 decodes as ITU-T says: silence, smallest and largest steps", () => {
  expect([0xd5, 0x55, 0xaa, 0x2a].map(decodeAlaw)).toEqual([8, -8, 32256, -32256]);
  expect([0xff, 0x7f, 0x80, 0x00].map(decodeMulaw)).toEqual([0, -0, 32124, -32124]);
});
