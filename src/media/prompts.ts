import type { PromptName } from "../calls/ports.ts";
import { type SampleRateHz, samplesPerFrame } from "./frame.ts";

interface Tone {
  /** 0 is a pause. */
  readonly frequencyHz: number;
  readonly durationMs: number;
}

const PAUSE: Tone = { frequencyHz: 0, durationMs: 60 };
/** Long enough to count the tones. */
const GAP: Tone = { frequencyHz: 0, durationMs: 180 };

const note = (frequencyHz: number): Tone => ({ frequencyHz, durationMs: 140 });

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
  // Three rising notes, once: "you are the first".
  waiting: [523, 659, 784].flatMap((frequencyHz) => [{ frequencyHz, durationMs: 200 }, PAUSE]),
  // Down: off. Up: on.
  muted: [note(659), PAUSE, note(440)],
  unmuted: [note(440), PAUSE, note(659)],
  "hand-raised": [note(659), PAUSE, note(659), PAUSE, note(880)],
  "hand-lowered": [note(880), PAUSE, note(659), PAUSE, note(659)],
  // One short tone for each key there is: *6, *9, *0.
  help: [note(523), PAUSE, note(523), PAUSE, note(523)],
};

/** Broken chords, slowly; each bar is followed by the next, and the last by the first. */
const MUSIC: readonly Tone[] = [
  [262, 330, 392, 330],
  [220, 262, 330, 262],
  [175, 220, 262, 220],
  [196, 247, 294, 247],
].flatMap((chord) => chord.map((frequencyHz) => ({ frequencyHz, durationMs: 480 })));

/** Tens low and long, ones high and short; nobody at all is one long low tone. */
const numberTones = (value: number): readonly Tone[] => {
  if (value === 0) return [{ frequencyHz: 220, durationMs: 800 }];
  const repeat = (count: number, tone: Tone): Tone[] => Array.from({ length: count }, () => [tone, GAP]).flat();
  const tens = { frequencyHz: 440, durationMs: 400 };
  return [...repeat(Math.floor(value / 10), tens), ...repeat(value % 10, { frequencyHz: 880, durationMs: 160 })];
};

/** -18 dBFS peak: clearly heard over speech, not louder than it. */
const AMPLITUDE = 32767 * 10 ** (-18 / 20);
/** Rise and fall of each tone; without them it clicks. */
const FADE_MS = 8;

const render = (tones: readonly Tone[], sampleRateHz: SampleRateHz): readonly Int16Array[] => {
  const samples: number[] = [];
  for (const tone of tones) {
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

const framesOf = (name: string, tones: readonly Tone[], sampleRateHz: SampleRateHz): readonly Int16Array[] => {
  const key = `${name}/${sampleRateHz}`;
  const known = rendered.get(key) ?? render(tones, sampleRateHz);
  rendered.set(key, known);
  return known;
};

/** The prompt as frames of 20 ms; shared, read only. */
export const promptFrames = (name: PromptName, sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  framesOf(name, PROMPTS[name], sampleRateHz);

/** A number, 0 to 99, as tones to count. */
export const numberFrames = (value: number, sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  framesOf(`number ${value}`, numberTones(value), sampleRateHz);

/** Music for who waits; to be played again and again. */
export const musicFrames = (sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  framesOf("music", MUSIC, sampleRateHz);
