import type { PromptName } from "../calls/ports.ts";
import type { SampleRateHz } from "./frame.ts";
import { musicFrames, numberFrames, promptFrames } from "./prompts.ts";

/** What the gateway itself plays to one phone: prompts, and music where nobody else is to be heard. */
export interface Player {
  /** Starts a prompt from its first frame; `waiting` is followed by music. */
  prompt(name: PromptName, sampleRateHz: SampleRateHz): void;
  number(value: number, sampleRateHz: SampleRateHz): void;
  stopMusic(): void;
  /** Ends a prompt that was made for another rate. */
  stopPrompt(): void;
  next(sampleRateHz: SampleRateHz): Int16Array | undefined;
}

export const createPlayer = (): Player => {
  /** Position in the music; undefined without. */
  let music: number | undefined;
  let playing: Iterator<Int16Array> | undefined;
  const play = (frames: readonly Int16Array[]): void => {
    playing = frames[Symbol.iterator]();
  };
  return {
    prompt(name, rateHz) {
      play(promptFrames(name, rateHz));
      if (name === "waiting") music = 0;
    },
    number: (value, rateHz) => play(numberFrames(value, rateHz)),
    stopMusic() {
      music = undefined;
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
