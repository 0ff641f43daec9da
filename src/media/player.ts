import type { PromptName, Voice } from "../calls/voice.ts";
import type { SampleRateHz } from "./frame.ts";
import { arrivalFrames, type ArrivalTone, countFrames, musicFrames, promptFrames } from "./prompts.ts";

/** What the gateway itself plays to one phone: prompts, and music where nobody else is to be heard. */
export interface Player {
  /** Starts a prompt from its first frame; `waiting` is followed by music. */
  prompt(name: PromptName, sampleRateHz: SampleRateHz): void;
  /** The same for the number of people in the call. */
  count(people: number, sampleRateHz: SampleRateHz): void;
  /** Somebody else has come or gone; not while words are said. */
  arrival(tone: ArrivalTone, sampleRateHz: SampleRateHz): void;
  /** And the words before it, where they still play. */
  stopMusic(): void;
  /** Ends a prompt that was made for another rate. */
  stopPrompt(): void;
  next(sampleRateHz: SampleRateHz): Int16Array | undefined;
}

export const createPlayer = (voice: Voice = { language: "en" }): Player => {
  /** Position in the music; undefined without. */
  let music: number | undefined;
  let playing: Iterator<Int16Array> | undefined;
  /** What plays says that nobody is there. */
  let isWaiting = false;
  const play = (frames: readonly Int16Array[]): void => {
    playing = frames[Symbol.iterator]();
    isWaiting = false;
  };
  return {
    prompt(name, rateHz) {
      play(promptFrames(name, voice, rateHz));
      isWaiting = name === "waiting";
      if (isWaiting) music = 0;
    },
    count: (people, rateHz) => play(countFrames(people, voice, rateHz)),
    arrival(tone, rateHz) {
      if (playing === undefined) play(arrivalFrames(tone, rateHz));
    },
    stopMusic() {
      music = undefined;
      if (isWaiting) playing = undefined;
    },
    stopPrompt() {
      playing = undefined;
    },
    next(rateHz) {
      const next = playing?.next();
      if (next !== undefined && next.done !== true) return next.value;
      playing = undefined;
      if (music === undefined) return undefined;
      const frames = musicFrames(rateHz);
      music = (music + 1) % frames.length;
      return frames[music];
    },
  };
};
