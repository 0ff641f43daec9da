import { toneLevels } from "../audio/analysis.ts";

export interface HeardFrequency {
  readonly frequencyHz: number;
  /** Peak of the sine, full scale is 0. */
  readonly levelDbfs: number;
}

export const levelDbfs = (pcm: Int16Array, sampleRateHz: number, frequencyHz: number): number =>
  toneLevels(pcm, sampleRateHz, [frequencyHz])[frequencyHz]!;

const SCAN_WINDOW_MS = 200;
const SCAN_FLOOR_DBFS = -50;
const SPREAD_HZ = 60;
const SCAN_STEP_HZ = 5;
const SCAN_HZ = Array.from({ length: 3400 / SCAN_STEP_HZ }, (_, i) => (i + 1) * SCAN_STEP_HZ);
// A long recording is sampled: a scan is for error messages and for "nothing of this is heard any more".
const SCAN_WINDOWS = 20;

/** Every tone of the telephone band in `pcm`, each at its loudest 200 ms; the loudest first. */
export function findTones(pcm: Int16Array, sampleRateHz: number): HeardFrequency[] {
  const window = Math.round((SCAN_WINDOW_MS * sampleRateHz) / 1000);
  const windows = Math.floor(pcm.length / window);
  const step = Math.max(1, Math.ceil(windows / SCAN_WINDOWS));
  const loudest = new Map<number, number>();
  for (let w = windows - 1; w >= 0; w -= step) {
    for (const peak of peaks(pcm.subarray(w * window, (w + 1) * window), sampleRateHz)) {
      const known = loudest.get(peak.frequencyHz);
      if (known === undefined || known < peak.levelDbfs) loudest.set(peak.frequencyHz, peak.levelDbfs);
    }
  }
  const tones = [...loudest]
    .map(([frequencyHz, levelDbfs]) => ({ frequencyHz, levelDbfs }))
    .sort((a, b) => b.levelDbfs - a.levelDbfs);
  // A tone that begins or ends inside a window spreads to its neighbours.
  return tones.filter((tone, i) =>
    tones.slice(0, i).every((louder) => Math.abs(louder.frequencyHz - tone.frequencyHz) > SPREAD_HZ),
  );
}

function peaks(pcm: Int16Array, sampleRateHz: number): HeardFrequency[] {
  const measured = toneLevels(pcm, sampleRateHz, SCAN_HZ);
  const levels = SCAN_HZ.map((frequencyHz) => measured[frequencyHz]!);
  const strongest = Math.max(...levels);
  return levels.flatMap((levelDbfs, i) => {
    const isPeak = levelDbfs > (levels[i - 1] ?? -Infinity) && levelDbfs >= (levels[i + 1] ?? -Infinity);
    // The window's own side lobes lie 31 dB and more below a tone.
    const audible = levelDbfs > SCAN_FLOOR_DBFS && levelDbfs > strongest - 30;
    return isPeak && audible ? [{ frequencyHz: SCAN_HZ[i]!, levelDbfs }] : [];
  });
}
