import { FRAME_MS, type SampleRateHz } from "./frame.ts";

/** A voice repeats itself every 2.5 to 15 ms (66 to 400 Hz). */
const SHORTEST_PERIOD_MS = 2.5;
const LONGEST_PERIOD_MS = 15;
/** How much of the end is compared with what came before it. */
const COMPARED_MS = 10;
/** What is made up is at full level for 10 ms and gone after 60 ms: longer, it sounds like a machine (G.711 appendix I). */
const FULL_MS = 10;
const GONE_AFTER_MS = 60;
/** Length of the joints. */
const BLEND_MS = 4;

/** Makes up missing frames from the end of what was heard, by repeating the last period of the voice (as G.711 appendix I). */
export interface Concealer {
  /** A real frame is about to be played; after a made-up one its beginning is blended with what would have followed. */
  heard(samples: Int16Array): void;
  /** The next made-up frame, or undefined when the sound has faded out; overwritten by the next call. */
  conceal(): Int16Array | undefined;
  clear(): void;
}

export const createConcealer = (sampleRateHz: SampleRateHz): Concealer => {
  const inSamples = (ms: number): number => (ms * sampleRateHz) / 1000;
  const frameSamples = inSamples(FRAME_MS);
  const blendSamples = inSamples(BLEND_MS);
  const longest = inSamples(LONGEST_PERIOD_MS);
  const compared = inSamples(COMPARED_MS);
  /** The last that was heard, newest at the end. */
  const history = new Int16Array(Math.max(2 * frameSamples, longest + compared + blendSamples));
  const output = new Int16Array(frameSamples);
  /** One period of the voice, its end blended into its beginning. */
  let period = new Float32Array(0);
  /** From what would have come after the last sample to what does, so that there is no step. */
  let step = 0;
  let madeUp = 0;
  let isEmpty = true;

  /** Lag at which the end of the history looks most like itself. */
  const findPeriod = (): number => {
    const end = history.length;
    let best = longest;
    let bestScore = -Infinity;
    for (let lag = inSamples(SHORTEST_PERIOD_MS); lag <= longest; lag++) {
      let product = 0;
      let energy = 1;
      for (let i = end - compared; i < end; i++) {
        product += history[i]! * history[i - lag]!;
        energy += history[i - lag]! * history[i - lag]!;
      }
      const score = product / Math.sqrt(energy);
      if (score > bestScore) {
        bestScore = score;
        best = lag;
      }
    }
    return best;
  };
  const takePeriod = (): void => {
    const length = findPeriod();
    const start = history.length - length;
    const blend = Math.min(blendSamples, length);
    period = Float32Array.from(history.subarray(start));
    step = history.at(-1)! - history[start - 1]!;
    // The last samples glide into those before the period's first one, so that the repetition has no step.
    for (let i = 0; i < blend; i++) {
      const weight = (i + 1) / blend;
      const at = length - blend + i;
      period[at] = period[at]! * (1 - weight) + history[start - blend + i]! * weight;
    }
  };
  /** The made-up signal goes on forever; its level does not. */
  const sampleAt = (position: number): number => {
    const fade = 1 - (position - inSamples(FULL_MS)) / inSamples(GONE_AFTER_MS - FULL_MS);
    const joint = step * Math.max(0, 1 - (position + 1) / blendSamples);
    return period[position % period.length]! * Math.max(0, Math.min(1, fade)) + joint;
  };

  return {
    heard(samples) {
      if (madeUp > 0 && period.length > 0) {
        for (let i = 0; i < blendSamples; i++) {
          const weight = (i + 1) / blendSamples;
          samples[i] = Math.round(samples[i]! * weight + sampleAt(madeUp + i) * (1 - weight));
        }
      }
      madeUp = 0;
      isEmpty = false;
      history.copyWithin(0, samples.length);
      history.set(samples, history.length - samples.length);
    },
    conceal() {
      if (isEmpty || madeUp >= inSamples(GONE_AFTER_MS)) {
        isEmpty = true;
        return undefined;
      }
      if (madeUp === 0) takePeriod();
      for (let i = 0; i < frameSamples; i++) output[i] = Math.round(sampleAt(madeUp + i));
      madeUp += frameSamples;
      return output;
    },
    clear() {
      isEmpty = true;
      madeUp = 0;
      history.fill(0);
    },
  };
};
