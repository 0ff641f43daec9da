/** Levels below this are reported as this: silence has no logarithm. */
export const SILENCE_DBFS = -100;

type Pcm = Int16Array | Float32Array;

/** `pcm` at full scale 1, faded in and out (Hann): a tone 160 Hz away would otherwise leak in at -40 dB. */
function windowed(pcm: Pcm): Float64Array {
  const fullScale = pcm instanceof Int16Array ? 32768 : 1;
  return Float64Array.from(
    pcm,
    (sample, i) => (sample / fullScale) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / pcm.length)),
  );
}

/** Peak level of one frequency, dBFS (0 = full-scale sine), by Goertzel's algorithm over the whole window. */
function levelAt(window: Float64Array, sampleRateHz: number, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz);
  let [previous, beforePrevious] = [0, 0];
  for (const sample of window) {
    const current = sample + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = current;
  }
  const power = previous ** 2 + beforePrevious ** 2 - coefficient * previous * beforePrevious;
  // A sine gives half its amplitude per sample, and the Hann window halves that again.
  const amplitude = window.length === 0 ? 0 : (4 * Math.sqrt(Math.max(0, power))) / window.length;
  return amplitude > 0 ? Math.max(SILENCE_DBFS, 20 * Math.log10(amplitude)) : SILENCE_DBFS;
}

/** Level of each frequency in `pcm`, dBFS. Give it at least 100 ms; what it measures is the mean over all of it. */
export function toneLevels<F extends number>(
  pcm: Pcm,
  sampleRateHz: number,
  frequenciesHz: readonly F[],
): Record<F, number> {
  const window = windowed(pcm);
  const levels = frequenciesHz.map((frequency) => [frequency, levelAt(window, sampleRateHz, frequency)]);
  return Object.fromEntries(levels) as Record<F, number>;
}

/** The strongest frequency of telephone audio (100 to 3500 Hz) in at most the last half second, to about 1 Hz. */
export function dominantFrequency(pcm: Pcm, sampleRateHz: number): { frequencyHz: number; levelDbfs: number } {
  const window = windowed(pcm.subarray(Math.max(0, pcm.length - sampleRateHz / 2)));
  let best = { frequencyHz: 0, levelDbfs: SILENCE_DBFS };
  const search = (fromHz: number, toHz: number, stepHz: number) => {
    for (let frequencyHz = fromHz; frequencyHz <= toHz; frequencyHz += stepHz) {
      const levelDbfs = levelAt(window, sampleRateHz, frequencyHz);
      if (levelDbfs > best.levelDbfs) best = { frequencyHz, levelDbfs };
    }
  };
  // The main lobe of half a second of Hann is 8 Hz wide.
  search(100, 3500, 2);
  if (best.frequencyHz > 0) search(best.frequencyHz - 1, best.frequencyHz + 1, 1);
  return best;
}

/** The part of a recording between two times, negative ones counted from its end. */
export const slice = (wav: { samples: Int16Array; sampleRateHz: number }, fromSeconds: number, toSeconds = Infinity) =>
  wav.samples.subarray(
    Math.round(fromSeconds * wav.sampleRateHz),
    toSeconds === Infinity ? undefined : Math.round(toSeconds * wav.sampleRateHz),
  );
