/** What phones and members of a call hear, by frequency. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { toneLevels } from "../../../deploy/lab/audio/analysis.ts";
import { hearInWav } from "../../../deploy/lab/audio/wav-hearing.ts";
import { readWav } from "../../../deploy/lab/audio/wav.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import type { LabMember } from "../../../deploy/lab/member/member.ts";
import type { LabPhone } from "../../../deploy/lab/phones/phone.ts";
import type { Pbx } from "../../../deploy/lab/servers/pbx.ts";
import { until } from "./until.ts";

/** Quieter than this is not heard. The lab's tones arrive at about -12 dBFS from members and -20 dBFS from phones. */
const AUDIBLE_DBFS = -40;
/** Only a failure takes so long; on a machine that does other things as well a first key may take some seconds. */
const HEAR_WITHIN_MS = 20_000;
/** Long enough to tell the lab's tones apart (160 Hz and more between them). */
const WINDOW_SECONDS = 0.05;

export const nowMs = (): number => performance.timeOrigin + performance.now();

interface Pcm {
  readonly samples: Int16Array;
  readonly sampleRateHz: number;
}

/** One that hears: resolves as soon as the tone is in the newest audio, rejects with what is heard instead. */
export interface Ear {
  readonly name: string;
  hear(frequencyHz: number, withinMs?: number): Promise<void>;
}

export const phoneEar = (phone: LabPhone): Ear => ({
  name: `phone ${phone.number}`,
  hear: async (frequencyHz, withinMs = HEAR_WITHIN_MS) => {
    await hearInWav(() => phone.heardWav(), frequencyHz, { withinMs });
  },
});

/** A number outside that records; its last call counts. */
export const outsideEar = (pbx: Pbx, number: string): Ear => ({
  name: number,
  hear: async (frequencyHz, withinMs = HEAR_WITHIN_MS) => {
    const file = async (): Promise<string> => {
      const recording = (await pbx.recordings()).findLast((one) => one.number === number);
      if (recording === undefined) throw new Error(`${number} has not heard anything yet`);
      return recording.heardWav;
    };
    await hearInWav(file, frequencyHz, { withinMs });
  },
});

export const memberEar = (member: LabMember, from: string): Ear => ({
  name: member.userId,
  hear: async (frequencyHz, withinMs = HEAR_WITHIN_MS) => {
    await member.hear(from, frequencyHz, { withinMs });
  },
});

/** Every ear hears its tone now; all are asked at the same time. */
export async function allHear(expected: readonly (readonly [Ear, number])[]): Promise<void> {
  await Promise.all(
    expected.map(async ([ear, frequencyHz]) => {
      try {
        await ear.hear(frequencyHz);
      } catch (error) {
        throw new Error(`${ear.name} does not hear ${frequencyHz} Hz`, { cause: error });
      }
    }),
  );
}

/** One that keeps a recording of all it has heard. While nothing arrives, it may not grow. */
export interface Recorded {
  readonly name: string;
  readonly recording: () => Promise<Pcm>;
}

export const phoneRecorded = (phone: LabPhone): Recorded => ({
  name: `phone ${phone.number}`,
  recording: async () => readWav(await phone.heardWav()),
});

/**
 * What the PBX sends to a phone in a call, recorded there: baresip 1.0 stops its own recording at a hold and never goes on.
 */
export async function recordLine(lab: Lab, phone: LabPhone): Promise<Recorded & Ear> {
  const channels = await lab.pbx.cli("core show channels concise");
  const channel = new RegExp(`^PJSIP/${phone.number}-[0-9a-f]+`, "m").exec(channels)?.[0];
  if (channel === undefined) throw new Error(`phone ${phone.number} has no channel at the PBX: ${channels}`);
  const file = join(lab.folder, `recordings/line-${phone.number}-${channel.split("-")[1]}`);
  await lab.pbx.cli(`mixmonitor start ${channel} ${file}-both.wav,t(${file}.wav)`);
  const name = `the line of phone ${phone.number}`;
  return {
    name,
    recording: () => readWav(`${file}.wav`),
    hear: async (frequencyHz, withinMs = HEAR_WITHIN_MS) => {
      await hearInWav(async () => `${file}.wav`, frequencyHz, { withinMs });
    },
  };
}

/** Waits until a tone is not heard any more in what arrives, then makes sure of it for `forMs`. */
export async function staysDeaf(who: Recorded, frequencyHz: number, forMs: number): Promise<void> {
  const { name } = who;
  const isHeardFor = async (ms: number): Promise<boolean> => {
    const { length } = (await who.recording()).samples;
    await delay(ms);
    const after = await who.recording();
    return toneWindows({ ...after, samples: after.samples.subarray(length) }, frequencyHz).some(Boolean);
  };
  await until(`${name} not to hear ${frequencyHz} Hz`, async () => ((await isHeardFor(300)) ? undefined : true));
  if (await isHeardFor(forMs)) throw new Error(`${name} hears ${frequencyHz} Hz again`);
}

const memberHears = async (member: LabMember, frequencyHz: number, sinceMs: number): Promise<boolean> =>
  (await member.heardSince(sinceMs)).some(
    (tone) => Math.abs(tone.frequencyHz - frequencyHz) <= 10 && tone.levelDbfs > AUDIBLE_DBFS,
  );

/** Waits for a moment in which a member of the call does not hear a tone, and then makes sure of it for `forMs`. */
export async function memberStaysDeaf(member: LabMember, frequencyHz: number, forMs: number): Promise<void> {
  await until(`${member.userId} not to hear ${frequencyHz} Hz`, async () =>
    (await memberHears(member, frequencyHz, nowMs() - 300)) ? undefined : true,
  );
  const sinceMs = nowMs();
  await delay(forMs);
  if (await memberHears(member, frequencyHz, sinceMs)) {
    throw new Error(`${member.userId} hears ${frequencyHz} Hz again`);
  }
}

/** For each 50 ms: is the tone there? */
const toneWindows = ({ samples, sampleRateHz }: Pcm, frequencyHz: number): boolean[] => {
  const size = Math.round(WINDOW_SECONDS * sampleRateHz);
  return Array.from({ length: Math.floor(samples.length / size) }, (_, i) => {
    const window = samples.subarray(i * size, (i + 1) * size);
    return (toneLevels(window, sampleRateHz, [frequencyHz])[frequencyHz] ?? -Infinity) > AUDIBLE_DBFS;
  });
};

/** Waits until a tone was heard for a moment, however long ago: for what is said once. */
export async function hasHeard(who: Recorded, frequencyHz: number, forMs = 200): Promise<void> {
  const windows = forMs / 1000 / WINDOW_SECONDS;
  await until(`${who.name} to have heard ${frequencyHz} Hz`, async () =>
    toneWindows(await who.recording(), frequencyHz).filter(Boolean).length >= windows ? true : undefined,
  );
}

/** The longest time without a tone between two times with it, in ms; what lies before the first and after the last does not count. */
export const longestGapMs = (pcm: Pcm, frequencyHz: number): number => {
  const windows = toneWindows(pcm, frequencyHz);
  let longest = 0;
  let current = 0;
  for (const heard of windows.slice(windows.indexOf(true), windows.lastIndexOf(true) + 1)) {
    current = heard ? 0 : current + 1;
    longest = Math.max(longest, current);
  }
  return longest * WINDOW_SECONDS * 1000;
};

/** What a member has heard in the time that it keeps (30 s unless told otherwise), on one time line. */
export const heardByMember = async (member: LabMember): Promise<Pcm> => ({
  samples: await member.recording(),
  sampleRateHz: 48_000,
});

const WORD_WINDOW_SECONDS = 0.1;

/** What was said by recordings that are tones, one after the other; each lasts `seconds`. */
export const wordsHeard = <Word extends string>(
  { samples, sampleRateHz }: Pcm,
  tonesHz: Readonly<Record<Word, number>>,
  seconds: number,
): Word[] => {
  const size = Math.round(WORD_WINDOW_SECONDS * sampleRateHz);
  const known = Object.entries(tonesHz) as [Word, number][];
  const loudest = Array.from({ length: Math.floor(samples.length / size) }, (_, i) => {
    const levels = toneLevels(samples.subarray(i * size, (i + 1) * size), sampleRateHz, Object.values<number>(tonesHz));
    const [word, frequencyHz] = known.reduce((best, each) => (levels[each[1]]! > levels[best[1]]! ? each : best));
    return levels[frequencyHz]! > AUDIBLE_DBFS ? word : undefined;
  });
  const runs: { readonly word: Word | undefined; windows: number }[] = [];
  for (const word of loudest) {
    const run = runs.at(-1);
    if (run !== undefined && run.word === word) run.windows += 1;
    else runs.push({ word, windows: 1 });
  }
  // A word that is said twice is one run; a boundary within a window is none.
  return runs.flatMap(({ word, windows }) => {
    const times = Math.round((windows * WORD_WINDOW_SECONDS) / seconds);
    return word === undefined ? [] : Array.from({ length: times }, () => word);
  });
};
