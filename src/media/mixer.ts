/** From here on the sum of several voices is bent towards full scale instead of being cut off, which would crackle. */
const KNEE = 24576;
const HEADROOM = 32767 - KNEE;

/** Soft limiter: linear below the knee, never beyond 16 bits. */
export const softLimit = (value: number): number => {
  if (value > KNEE) return KNEE + Math.trunc(HEADROOM * (1 - Math.exp((KNEE - value) / HEADROOM)));
  if (value < -KNEE) return -KNEE - Math.trunc(HEADROOM * (1 - Math.exp((value + KNEE) / HEADROOM)));
  return value;
};

/** In place. `gain`: of the amplitude, 2 is 6 dB louder. */
export const amplify = (samples: Int16Array, gain: number): void => {
  for (let i = 0; i < samples.length; i++) samples[i] = softLimit(Math.trunc(samples[i]! * gain));
};

/** One mix per tick and conference: everybody is summed once, then each phone gets the sum without itself. */
export interface Mixer {
  clear(): void;
  add(samples: Int16Array): void;
  /** The sum without `own`, plus `extra` (a prompt); overwritten by the next call. */
  without(own: Int16Array | undefined, extra: Int16Array | undefined): Int16Array;
}

export const createMixer = (samples: number): Mixer => {
  const sum = new Int32Array(samples);
  const output = new Int16Array(samples);
  const silence = new Int16Array(samples);
  return {
    clear() {
      sum.fill(0);
    },
    add(frame) {
      for (let i = 0; i < samples; i++) sum[i]! += frame[i]!;
    },
    without(own, extra) {
      for (let i = 0; i < samples; i++) {
        const value = sum[i]! - (own ?? silence)[i]! + (extra ?? silence)[i]!;
        // Inside the loop almost always, and then without a call and without leaving whole numbers.
        output[i] = value <= KNEE && value >= -KNEE ? value : softLimit(value);
      }
      return output;
    },
  };
};
