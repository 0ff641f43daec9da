import type { PromptName } from "../calls/ports.ts";
import { type SampleRateHz, samplesPerFrame } from "./frame.ts";

interface Tone {
  /** 0 is a pause. */
  readonly frequencyHz: number;
  readonly durationMs: number;
}

const PAUSE: Tone = { frequencyHz: 0, durationMs: 60 };

/** Tones, not words: every ear understands them, and no language has to be chosen. All below 3.4 kHz. */
const PROMPTS: Readonly<Record<PromptName, readonly Tone[]>> = {
  // Three falling notes (G5, E5, C5), twice: "everybody else has left".
  alone: [0, 1].flatMap(() => [
    { frequencyHz: 784, durationMs: 200 },
    PAUSE,
    { frequencyHz: 659, durationMs: 200 },
    PAUSE,
    { frequencyHz: 523, durationMs: 400 },
    { frequencyHz: 0, durationMs: 280 },
  ]),
};

/** -18 dBFS peak: clearly heard over speech, not louder than it. */
const AMPLITUDE = 32767 * 10 ** (-18 / 20);
/** Rise and fall of each tone; without them it clicks. */
const FADE_MS = 8;

const render = (name: PromptName, sampleRateHz: SampleRateHz): readonly Int16Array[] => {
  const samples: number[] = [];
  for (const tone of PROMPTS[name]) {
    const length = (tone.durationMs * sampleRateHz) / 1000;
    const fade = (FADE_MS * sampleRateHz) / 1000;
    for (let i = 0; i < length; i++) {
      const gain = AMPLITUDE * Math.min(1, i / fade, (length - i) / fade);
      samples.push(gain * Math.sin((2 * Math.PI * tone.frequencyHz * i) / sampleRateHz));
    }
  }
  const frameLength = samplesPerFrame(sampleRateHz);
  const frames: Int16Array[] = [];
  for (let start = 0; start < samples.length; start += frameLength) {
    const frame = new Int16Array(frameLength);
    frame.set(samples.slice(start, start + frameLength));
    frames.push(frame);
  }
  return frames;
};

const rendered = new Map<string, readonly Int16Array[]>();

/** The prompt as frames of 20 ms; shared, read only. */
export const promptFrames = (name: PromptName, sampleRateHz: SampleRateHz): readonly Int16Array[] => {
  const key = `${name}/${sampleRateHz}`;
  const known = rendered.get(key) ?? render(name, sampleRateHz);
  rendered.set(key, known);
  return known;
};
