import { describe, expect, test } from "@jest/globals";

import { createConcealer } from "../../../src/media/concealment.ts";
import { levelDbfs } from "../../../src/media/levels.ts";
import { createTone, toneLevel } from "../../support/media/tones.ts";

const LEVEL_DBFS = 20 * Math.log10(6000 / 32768) - 3;

describe.each([8000, 16000] as const)("concealment at %d Hz", (rateHz) => {
  const frameSamples = rateHz / 50;

  /** The largest difference between neighbours: a click is several times that of the sound itself. */
  const steepest = (samples: readonly number[]): number =>
    samples.slice(1).reduce((most, sample, i) => Math.max(most, Math.abs(sample - samples[i]!)), 0);

  test("goes on with the sound, then fades out within 60 ms", () => {
    const concealer = createConcealer(rateHz);
    const tone = createTone(rateHz, 210);
    for (let i = 0; i < 5; i++) concealer.heard(tone(frameSamples));
    const first = concealer.conceal()!.slice();
    expect(toneLevel(first.subarray(0, frameSamples / 2), rateHz, 210)).toBeGreaterThan(LEVEL_DBFS - 4);
    expect(levelDbfs(first)).toBeGreaterThan(LEVEL_DBFS - 2);
    expect(levelDbfs(concealer.conceal()!)).toBeLessThan(LEVEL_DBFS - 3);
    expect(levelDbfs(concealer.conceal()!)).toBeLessThan(LEVEL_DBFS - 10);
    expect(concealer.conceal()).toBeUndefined();
    expect(concealer.conceal()).toBeUndefined();
  });

  test.each([210, 330, 90])("no click at either end of a gap in %d Hz", (frequencyHz) => {
    const concealer = createConcealer(rateHz);
    const tone = createTone(rateHz, frequencyHz);
    const heard: number[] = [];
    for (let i = 0; i < 10; i++) {
      const samples = tone(frameSamples);
      if (i === 5 || i === 6) heard.push(...concealer.conceal()!);
      else {
        concealer.heard(samples);
        heard.push(...samples);
      }
    }
    expect(steepest(heard)).toBeLessThan(3 * steepest([...createTone(rateHz, frequencyHz)(frameSamples * 5)]));
  });

  test("silence before anything was heard", () => {
    const concealer = createConcealer(rateHz);
    expect(concealer.conceal()).toBeUndefined();
    concealer.heard(createTone(rateHz, 300)(frameSamples));
    concealer.clear();
    expect(concealer.conceal()).toBeUndefined();
  });
});
