// Makes the audio files of src/media/prompts/ from the texts beside this file: `npx node deploy/prompts/make.ts`.
// Needs python3 with venv, and the Python package index. The files are in the repository, so only who changes a text runs this.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Language } from "../../src/numbering/language.ts";
import { level, trim, wavOf } from "./speech.ts";
import { promptTexts } from "./texts.ts";

/** SVOX Pico, Apache-2.0 (README.md here); the package holds its voices. */
const VOICE_PACKAGE = "py-nanotts==0.1.1";
const VOICES: Readonly<Record<Language, string>> = { en: "en-GB", fr: "fr-FR", de: "de-DE" };
const FOLDER = fileURLToPath(new URL("../../src/media/prompts/", import.meta.url));
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

const speak = (texts: readonly (readonly [voice: string, text: string])[]): readonly Int16Array[] => {
  const folder = mkdtempSync(join(tmpdir(), "prompts-"));
  try {
    execFileSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
    const python = join(folder, "bin", "python");
    execFileSync(python, ["-m", "pip", "install", "--quiet", "--only-binary=:all:", VOICE_PACKAGE], {
      stdio: "inherit",
    });
    const output = execFileSync(python, [fileURLToPath(new URL("speak.py", import.meta.url))], {
      input: JSON.stringify(texts),
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    const spoken: Int16Array[] = [];
    for (let at = 0; at < output.length;) {
      const bytes = output.readUInt32LE(at);
      spoken.push(new Int16Array(output.buffer.slice(output.byteOffset + at + 4, output.byteOffset + at + 4 + bytes)));
      at += 4 + bytes;
    }
    return spoken;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const texts = promptTexts();
const spoken = speak(texts.map(({ language, text }) => [VOICES[language], text]));
rmSync(FOLDER, { recursive: true, force: true });
let total = 0;
for (const [index, { language, name }] of texts.entries()) {
  const samples = spoken[index];
  if (samples === undefined) throw new Error(`the voice left out ${language}/${name}`);
  const wav = wavOf(level(trim(samples)));
  mkdirSync(join(FOLDER, language), { recursive: true });
  writeFileSync(join(FOLDER, language, `${name}.wav`), wav);
  total += wav.length;
}
console.log(`${texts.length} prompts, ${Math.round(total / 1000)} kB`);
