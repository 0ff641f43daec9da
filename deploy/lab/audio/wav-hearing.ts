import { setTimeout as delay } from "node:timers/promises";

import { dominantFrequency, slice, toneLevels } from "./analysis.ts";
import { readWav } from "./wav.ts";

const POLL_MS = 100;
/** Audio that a tone has to hold in. */
const WINDOW_SECONDS = 0.4;

/**
 * Waits until the newest audio of a growing recording carries a tone; resolves with its level in dBFS. `file` is asked
 * again each time, because a recording may not have begun. Rejects with what was heard instead.
 */
export async function hearInWav(
  file: () => Promise<string>,
  frequencyHz: number,
  { minLevelDbfs = -40, withinMs = 10_000 }: { minLevelDbfs?: number; withinMs?: number } = {},
): Promise<number> {
  let heard = "nothing: there is no recording";
  for (const endMs = performance.now() + withinMs; performance.now() < endMs; await delay(POLL_MS)) {
    const wav = await file()
      .then(readWav)
      .catch(() => undefined);
    if (wav === undefined || wav.samples.length < WINDOW_SECONDS * wav.sampleRateHz) continue;
    const newest = slice(wav, -WINDOW_SECONDS);
    const level = toneLevels(newest, wav.sampleRateHz, [frequencyHz])[frequencyHz] ?? -Infinity;
    if (level >= minLevelDbfs) return level;
    const loudest = dominantFrequency(newest, wav.sampleRateHz);
    heard = `${loudest.frequencyHz} Hz at ${loudest.levelDbfs.toFixed(0)} dBFS`;
  }
  throw new Error(
    `no tone of ${frequencyHz} Hz at ${minLevelDbfs} dBFS or more within ${withinMs / 1000} s; heard ${heard}`,
  );
}
