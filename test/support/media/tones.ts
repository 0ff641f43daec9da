/** Level of one frequency in dBFS (a full-scale sine is 0), by Goertzel over all samples. */
export const toneLevel = (samples: Int16Array, sampleRateHz: number, frequencyHz: number): number => {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz);
  let previous = 0;
  let beforePrevious = 0;
  for (const sample of samples) {
    const now = sample / 32768 + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = now;
  }
  const power = previous ** 2 + beforePrevious ** 2 - coefficient * previous * beforePrevious;
  return 10 * Math.log10(power / (samples.length / 2) ** 2 + 1e-12);
};

/** Frequencies that are multiples of 10 Hz do not disturb each other in it. */
const PART_SECONDS = 0.1;

/** The same, each 100 ms for itself: a frame too many or too few turns the phase, which would cancel a tone that is there all the time. */
export const levelWhateverPhase = (samples: Int16Array, sampleRateHz: number, frequencyHz: number): number => {
  const partSamples = sampleRateHz * PART_SECONDS;
  const parts = Array.from({ length: Math.floor(samples.length / partSamples) }, (_, i) =>
    toneLevel(samples.subarray(i * partSamples, (i + 1) * partSamples), sampleRateHz, frequencyHz),
  );
  return 10 * Math.log10(parts.reduce((sum, level) => sum + 10 ** (level / 10), 0) / parts.length);
};

/** A sine that goes on from frame to frame. */
export const createTone = (sampleRateHz: number, frequencyHz: number, amplitude = 6000) => {
  let phase = 0;
  return (length: number): Int16Array => {
    const samples = new Int16Array(length);
    for (let i = 0; i < length; i++) {
      samples[i] = Math.round(amplitude * Math.sin(phase));
      phase += (2 * Math.PI * frequencyHz) / sampleRateHz;
    }
    return samples;
  };
};

/** The same clock in every process of this machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Index of the first sample louder than `threshold`, or -1. */
export const onsetOf = (samples: Int16Array, threshold = 2000): number =>
  samples.findIndex((sample) => Math.abs(sample) > threshold);
