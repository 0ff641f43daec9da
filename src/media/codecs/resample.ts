/**
 * 8 kHz <-> 16 kHz. A half-band FIR filter (windowed sinc, every second coefficient is zero): flat to 3.3 kHz, images and aliases
 * more than 50 dB down. Stateful: one converter per stream, and 1.9 ms of delay at 16 kHz.
 */

/** Non-zero coefficients on each side of the centre. */
const HALF_TAPS = 16;

/** Coefficients for the odd positions 1, 3, 5, ... from the centre; the centre itself is 0.5. */
const COEFFICIENTS = (() => {
  const taps = new Float64Array(HALF_TAPS);
  const width = 2 * HALF_TAPS;
  for (let k = 0; k < HALF_TAPS; k++) {
    const position = 2 * k + 1;
    const phase = (Math.PI * position) / width;
    const blackman = 0.42 + 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase);
    taps[k] = (blackman * Math.sin((Math.PI * position) / 2)) / (Math.PI * position);
  }
  // The sum of all odd taps (both sides) must be 0.5 for unity gain at 0 Hz; the window changes it slightly.
  const scale = 0.25 / taps.reduce((sum, tap) => sum + tap, 0);
  return taps.map((tap) => tap * scale);
})();

const clamp = (value: number): number => Math.max(-32768, Math.min(32767, Math.round(value)));

/** Converts one frame; input and output lengths are fixed by the factory. The result is overwritten by the next call. */
export type FrameConverter = (input: Int16Array) => Int16Array;

/** @param inputSamples samples of one frame at 8 kHz */
export const createUpsampler = (inputSamples: number): FrameConverter => {
  const history = 2 * HALF_TAPS;
  const line = new Int16Array(history + inputSamples);
  const output = new Int16Array(2 * inputSamples);
  return (input) => {
    line.copyWithin(0, inputSamples);
    line.set(input, history);
    for (let i = 0; i < inputSamples; i++) {
      // Between line[centre] and line[centre + 1] lies the new sample; the old ones pass unchanged (half-band).
      const centre = i + HALF_TAPS;
      let sum = 0;
      for (let k = 0; k < HALF_TAPS; k++) {
        sum += COEFFICIENTS[k]! * (line[centre - k]! + line[centre + 1 + k]!);
      }
      output[2 * i] = line[centre]!;
      output[2 * i + 1] = clamp(2 * sum);
    }
    return output;
  };
};

/** @param inputSamples samples of one frame at 16 kHz */
export const createDownsampler = (inputSamples: number): FrameConverter => {
  const history = 4 * HALF_TAPS;
  const line = new Int16Array(history + inputSamples);
  const output = new Int16Array(inputSamples / 2);
  return (input) => {
    line.copyWithin(0, inputSamples);
    line.set(input, history);
    for (let i = 0; i < output.length; i++) {
      const centre = 2 * i + 2 * HALF_TAPS;
      let sum = 0.5 * line[centre]!;
      for (let k = 0; k < HALF_TAPS; k++) {
        sum += COEFFICIENTS[k]! * (line[centre - 2 * k - 1]! + line[centre + 2 * k + 1]!);
      }
      output[i] = clamp(sum);
    }
    return output;
  };
};
