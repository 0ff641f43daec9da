/** What is done to a voice before it is a prompt. */
import { encodeG711 } from "../../src/media/codecs/g711.ts";
import { createDownsampler } from "../../src/media/codecs/resample.ts";

const VOICE_RATE_HZ = 16_000;
/** Quieter is silence around the words. */
const SILENCE_PEAK = 300;
/** Kept around the words, so that nothing is cut off and numbers do not run into each other. */
const MARGIN_MS = 40;
/** RMS of the words, as loud as a talker on a telephone line (ITU-T G.711 full scale is +3.14 dBm0; speech is about -20 dBFS). */
const SPEECH_RMS = 32767 * 10 ** (-20 / 20);
const MAX_PEAK = 32767 * 10 ** (-1 / 20);
const FRAME_SAMPLES = 320;

/** The words with a little silence around them. Throws when there are none. */
export const trim = (samples: Int16Array): Int16Array => {
  const margin = (MARGIN_MS * VOICE_RATE_HZ) / 1000;
  const isLoud = (sample: number): boolean => Math.abs(sample) > SILENCE_PEAK;
  const first = samples.findIndex(isLoud);
  if (first === -1) throw new Error("the voice said nothing");
  return samples.slice(Math.max(0, first - margin), samples.findLastIndex(isLoud) + margin);
};

/** Equally loud, whatever the voice. */
export const level = (samples: Int16Array): Int16Array => {
  const words = samples.filter((sample) => Math.abs(sample) > SILENCE_PEAK);
  const rms = Math.sqrt(words.reduce((sum, sample) => sum + sample * sample, 0) / words.length);
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  const gain = Math.min(SPEECH_RMS / rms, MAX_PEAK / peak);
  return samples.map((sample) => Math.round(sample * gain));
};

const toNarrowband = (samples: Int16Array): Int16Array => {
  const convert = createDownsampler(FRAME_SAMPLES);
  // One frame more: the filter still holds the last two milliseconds.
  const frames = Math.ceil(samples.length / FRAME_SAMPLES) + 1;
  const output = new Int16Array((frames * FRAME_SAMPLES) / 2);
  for (let index = 0; index < frames; index++) {
    const frame = new Int16Array(FRAME_SAMPLES);
    frame.set(samples.subarray(index * FRAME_SAMPLES, (index + 1) * FRAME_SAMPLES));
    output.set(convert(frame), (index * FRAME_SAMPLES) / 2);
  }
  return output;
};

/** A WAV file of 8 kHz A-law, which every player and every PBX reads. */
export const wavOf = (samples: Int16Array): Buffer => {
  const payload = encodeG711("alaw", toNarrowband(samples));
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + payload.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(6, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE(8000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36);
  header.writeUInt32LE(payload.length, 40);
  return Buffer.concat([header, payload]);
};
