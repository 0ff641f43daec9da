import type { PromptName, Voice } from "../calls/voice.ts";
import { countPrompts, type SpokenPromptName } from "../dialin/spoken-prompts.ts";
import { type SampleRateHz, samplesPerFrame } from "./frame.ts";
import { spokenFrames } from "./spoken-prompts.ts";

interface Tone {
  /** 0 is a pause. */
  readonly frequencyHz: number;
  readonly durationMs: number;
}

const PAUSE: Tone = { frequencyHz: 0, durationMs: 60 };

/** Before the words: every ear understands that something has changed. All below 3.4 kHz. */
const CHIMES: Readonly<Partial<Record<PromptName, readonly Tone[]>>> = {
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
};

const WORDS: Readonly<Record<PromptName, readonly SpokenPromptName[]>> = {
  alone: ["left-alone"],
  waiting: ["nobody-here"],
  ended: ["conference-ended"],
  muted: ["muted"],
  unmuted: ["unmuted"],
  "hand-raised": ["hand-raised"],
  "hand-lowered": ["hand-lowered"],
  help: ["help"],
  "unmute-requested": ["unmute-requested"],
  invited: ["invited-press-1"],
};

export const ARRIVAL_TONES = ["joined", "left"] as const;
/** Told to the phones when somebody else comes or goes. */
export type ArrivalTone = (typeof ARRIVAL_TONES)[number];

/** Two short notes (E flat 6, A flat 6): up, somebody is there; down, somebody has gone. */
const ARRIVALS: Readonly<Record<ArrivalTone, readonly Tone[]>> = {
  joined: [1245, 1661].map((frequencyHz) => ({ frequencyHz, durationMs: 90 })),
  left: [1661, 1245].map((frequencyHz) => ({ frequencyHz, durationMs: 90 })),
};

/** Broken chords, slowly; each bar is followed by the next, and the last by the first. */
const MUSIC: readonly Tone[] = [
  [262, 330, 392, 330],
  [220, 262, 330, 262],
  [175, 220, 262, 220],
  [196, 247, 294, 247],
].flatMap((chord) => chord.map((frequencyHz) => ({ frequencyHz, durationMs: 480 })));

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

const spoken = (names: readonly SpokenPromptName[], voice: Voice, sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  names.flatMap((name) => spokenFrames({ ...voice, name }, sampleRateHz));

/** The prompt as frames of 20 ms; shared, read only. */
export const promptFrames = (name: PromptName, voice: Voice, sampleRateHz: SampleRateHz): readonly Int16Array[] => [
  ...framesOf(name, CHIMES[name] ?? [], sampleRateHz),
  ...spoken(WORDS[name], voice, sampleRateHz),
];

/** How many people are in the call, the phone counted. */
export const countFrames = (people: number, voice: Voice, sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  spoken(countPrompts(people), voice, sampleRateHz);

/** As frames of 20 ms; shared, read only. */
export const arrivalFrames = (tone: ArrivalTone, sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  framesOf(tone, ARRIVALS[tone], sampleRateHz);

/** Music for who waits; to be played again and again. */
export const musicFrames = (sampleRateHz: SampleRateHz): readonly Int16Array[] =>
  framesOf("music", MUSIC, sampleRateHz);
