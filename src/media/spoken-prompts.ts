import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Voice } from "../calls/voice.ts";
import { type SpokenPromptName, spokenPromptNames } from "../dialin/spoken-prompts.ts";
import { type Language, LANGUAGES } from "../numbering/language.ts";
import { createDownsampler, createUpsampler } from "./codecs/resample.ts";
import { readWav, type WavAudio } from "./codecs/wav.ts";
import { FRAME_MS, type SampleRateHz, samplesPerFrame } from "./frame.ts";

/** One recording: words in a language, from the administrator's folder where it has them; mono, 8 or 16 kHz, PCM16, A-law or µ-law. */
export interface Recording extends Voice {
  readonly name: SpokenPromptName;
}

const SHIPPED_FOLDER = fileURLToPath(new URL("./prompts/", import.meta.url));
/** Longer would hold a caller up, and memory. */
const MAX_FILE_BYTES = 2 * 2 ** 20;

const fileOf = (folder: string, language: Language, name: SpokenPromptName): string =>
  join(folder, language, `${name}.wav`);

const readRecording = (file: string): WavAudio => {
  const bytes = readFileSync(file);
  if (bytes.length > MAX_FILE_BYTES) throw new Error("it is larger than 2 MiB");
  return readWav(bytes);
};

/** The recording's own file where it can be used, else the shipped one: a caller must not wait for words that never come. */
const load = ({ name, language, folder }: Recording): WavAudio => {
  const own = folder === undefined ? undefined : fileOf(folder, language, name);
  if (own !== undefined && existsSync(own)) {
    try {
      return readRecording(own);
    } catch {
      // Told at the start of the gateway (promptFolderProblems); it may have been broken since.
    }
  }
  return readRecording(fileOf(SHIPPED_FOLDER, language, name));
};

const toFrames = (audio: WavAudio, rateHz: SampleRateHz): readonly Int16Array[] => {
  const length = samplesPerFrame(audio.sampleRateHz);
  const convert =
    audio.sampleRateHz === rateHz
      ? (input: Int16Array) => input
      : (audio.sampleRateHz < rateHz ? createUpsampler : createDownsampler)(length);
  const frames: Int16Array[] = [];
  for (let start = 0; start < audio.samples.length; start += length) {
    const frame = new Int16Array(length);
    frame.set(audio.samples.subarray(start, start + length));
    // The converter overwrites its output.
    frames.push(convert(frame).slice());
  }
  return frames;
};

/** Decoded recordings. All of one language are about 5 MB at 16 kHz, so they are kept. */
const known = new Map<string, readonly Int16Array[]>();

/** The recording as frames of 20 ms; shared, read only. Reads a file of some 20 kB the first time, which takes well below a frame. */
export const spokenFrames = (recording: Recording, sampleRateHz: SampleRateHz): readonly Int16Array[] => {
  const key = [recording.folder ?? "", recording.language, recording.name, sampleRateHz].join("\n");
  const frames = known.get(key) ?? toFrames(load(recording), sampleRateHz);
  known.set(key, frames);
  return frames;
};

export const spokenDurationMs = (recordings: readonly Recording[]): number =>
  recordings.reduce((sum, recording) => sum + spokenFrames(recording, 8000).length * FRAME_MS, 0);

/** What is wrong with an administrator's folder: one line per file that cannot be used. Files that are missing are not wrong. */
export const promptFolderProblems = (folder: string): readonly string[] => {
  if (!existsSync(folder)) return [`${folder}: there is no such folder`];
  return LANGUAGES.flatMap((language) =>
    spokenPromptNames().flatMap((name) => {
      const file = fileOf(folder, language, name);
      if (!existsSync(file)) return [];
      try {
        readRecording(file);
        return [];
      } catch (thrown) {
        return [`${file} cannot be used: ${(thrown as Error).message}`];
      }
    }),
  );
};
