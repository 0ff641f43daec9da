import { afterEach, expect, test } from "@jest/globals";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promptTexts } from "../../../deploy/prompts/texts.ts";
import { wavOf } from "../../../deploy/prompts/speech.ts";
import { LANGUAGES } from "../../../src/numbering/language.ts";
import { spokenPromptNames } from "../../../src/dialin/spoken-prompts.ts";
import { promptFolderProblems, spokenDurationMs, spokenFrames } from "../../../src/media/spoken-prompts.ts";
import { toneLevel } from "../../support/media/tones.ts";

const folders: string[] = [];
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "mrtc-prompts-"));
  folders.push(folder);
  for (const language of LANGUAGES) mkdirSync(join(folder, language));
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const joined = (frames: readonly Int16Array[]): Int16Array => Int16Array.from(frames.flatMap((frame) => [...frame]));

const rms = (samples: Int16Array): number =>
  20 * Math.log10(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length) / 32767);

/** 1 s of a tone. */
const tone = (frequencyHz: number, sampleRateHz: number): Int16Array =>
  Int16Array.from({ length: sampleRateHz }, (_, i) => 8000 * Math.sin((2 * Math.PI * frequencyHz * i) / sampleRateHz));

const pcmWav = (samples: Int16Array, sampleRateHz: number, channels = 1): Buffer => {
  const header = wavOf(new Int16Array(320)).subarray(0, 44);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt16LE(16, 34);
  header.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer)]);
};

test.each(LANGUAGES)("every prompt is shipped in %s, is heard well, and is short", (language) => {
  for (const name of spokenPromptNames()) {
    const frames = spokenFrames({ name, language }, 8000);
    expect(frames.every((frame) => frame.length === 160)).toBe(true);
    const loudness = rms(joined(frames));
    expect([name, loudness > -32 && loudness < -18]).toEqual([name, true]);
    const durationMs = spokenDurationMs([{ name, language }]);
    expect([name, durationMs > 250 && durationMs < 11_000]).toEqual([name, true]);
  }
});

test("there is a text for every prompt and none too many, and all files together are small", () => {
  const wanted = LANGUAGES.flatMap((language) => spokenPromptNames().map((name) => `${language}/${name}`));
  const written = promptTexts().map(({ language, name }) => `${language}/${name}`);
  expect(written.toSorted()).toEqual(wanted.toSorted());
  const bytes = wanted.map((path) => statSync(new URL(`../../../src/media/prompts/${path}.wav`, import.meta.url)).size);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2_000_000);
});

test("in a wideband conference the same words are as long", () => {
  const recording = { name: "greeting", language: "fr" } as const;
  const [narrow, wide] = [spokenFrames(recording, 8000), spokenFrames(recording, 16000)];
  expect(wide).toHaveLength(narrow.length);
  expect(wide.every((frame) => frame.length === 320)).toBe(true);
  expect(rms(joined(wide))).toBeCloseTo(rms(joined(narrow)), 0);
  expect(spokenFrames(recording, 16000)).toBe(wide);
});

test.each([
  ["8 kHz A-law", wavOf(tone(1004, 16000))],
  ["8 kHz PCM", pcmWav(tone(1004, 8000), 8000)],
  ["16 kHz PCM", pcmWav(tone(1004, 16000), 16000)],
])("an administrator's file replaces ours, also in %s; what is missing is ours", (_, wav) => {
  const folder = newFolder();
  writeFileSync(join(folder, "en", "goodbye.wav"), wav);
  expect(promptFolderProblems(folder)).toEqual([]);
  for (const rateHz of [8000, 16000] as const) {
    const samples = joined(spokenFrames({ name: "goodbye", language: "en", folder }, rateHz));
    const middle = samples.subarray(rateHz / 4, (3 * rateHz) / 4);
    expect(toneLevel(middle, rateHz, 1004)).toBeCloseTo(20 * Math.log10(8000 / 32767), 0);
  }
  expect(spokenFrames({ name: "greeting", language: "en", folder }, 8000)).toEqual(
    spokenFrames({ name: "greeting", language: "en" }, 8000),
  );
});

test.each([
  ["no WAV", Buffer.from("ID3 this is an MP3"), "it is no WAV file"],
  ["nothing", Buffer.alloc(0), "it is no WAV file"],
  ["stereo", pcmWav(tone(440, 8000), 8000, 2), "it has 2 channels, not one"],
  ["CD quality", pcmWav(tone(440, 44_100), 44_100), "it has 44100 samples per second, not 8000 or 16000"],
  ["a head without a body", pcmWav(tone(440, 8000), 8000).subarray(0, 36), "it holds no audio"],
  [
    "a lie about its length",
    Buffer.from("RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f", "latin1"),
    "it holds no audio",
  ],
  ["hours of it", Buffer.alloc(3 * 2 ** 20), "it is larger than 2 MiB"],
])("a file with %s is named with what is wrong, and the shipped one is heard", (_, content, words) => {
  const folder = newFolder();
  const file = join(folder, "de", "ask-pin.wav");
  writeFileSync(file, content);
  expect(promptFolderProblems(folder)).toEqual([`${file} cannot be used: ${words}`]);
  expect(spokenFrames({ name: "ask-pin", language: "de", folder }, 8000)).toEqual(
    spokenFrames({ name: "ask-pin", language: "de" }, 8000),
  );
});

test("a folder that is not there is a problem of its own", () => {
  expect(promptFolderProblems("/nonexistent/prompts")).toEqual(["/nonexistent/prompts: there is no such folder"]);
});
