import { writeWav } from "./wav.ts";

/**
 * One tone per place that makes sound, so that every recording tells who is heard in it. All below 3400 Hz, none a
 * harmonic of another there, at least 160 Hz apart.
 */
export const TONES_HZ = { alice: 610, bob: 930, "1001": 440, "1002": 770, outside: 1130 } as const;

export interface Tone {
  frequencyHz: number;
  sampleRateHz: number;
  /** Peak against full scale: 0 is the loudest undistorted sine. */
  levelDbfs: number;
  seconds: number;
}

/** A sine that starts and ends near zero when frequency × seconds is whole, so that a player can loop it. */
export function toneSamples(tone: Tone): Int16Array {
  const samples = new Int16Array(Math.round(tone.sampleRateHz * tone.seconds));
  const amplitude = 32767 * 10 ** (tone.levelDbfs / 20);
  const step = (2 * Math.PI * tone.frequencyHz) / tone.sampleRateHz;
  // A whole frequency repeats after one second: long tones (phones have 20 minutes) are copied, not computed.
  const period = Number.isInteger(tone.frequencyHz) ? Math.min(tone.sampleRateHz, samples.length) : samples.length;
  for (let i = 0; i < period; i++) samples[i] = Math.round(amplitude * Math.sin(step * i));
  for (let i = period; i < samples.length; i += period) samples.copyWithin(i, 0, Math.min(period, samples.length - i));
  return samples;
}

/** Writes the tone as a mono WAV file. */
export const writeToneWav = (file: string, tone: Tone): Promise<void> =>
  writeWav(file, toneSamples(tone), tone.sampleRateHz);
