import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { TONES_HZ, writeToneWav } from "../audio/tone.ts";
import { type LabContext, logFileOf } from "../context.ts";
import { OUTSIDE_NUMBERS } from "../outside-world.ts";
import { type AsteriskServer, startAsterisk } from "./asterisk.ts";

/** What the outside world heard in one call. */
export interface Recording {
  /** +E.164, however it was dialled. */
  number: string;
  /** WAV, 8 kHz; complete when the call is over, growing before. */
  heardWav: string;
}

export interface Pbx extends AsteriskServer {
  /** "127.0.0.1:PORT", UDP. */
  sipAddress: string;
  /** One entry per call that the outside world answered, oldest first. */
  recordings(): Promise<Recording[]>;
  /** Every call that phones and trunks made, in order: called number (+E.164 or a desk's) and caller id as received. */
  calls(): Promise<{ number: string; from: string }[]>;
  /** Keys (DTMF) that reached the PBX from phones and trunks, in order, as "channel name, key". */
  keys(): Promise<{ channel: string; key: string }[]>;
}

const capitalised = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

/** The PBX, standing in for XiVO: deploy/lab/pbx with the trunks of sip-trunks/xivo. */
export async function startPbx(context: LabContext): Promise<Pbx> {
  const recordingsFolder = join(context.folder, "recordings");
  await mkdir(recordingsFolder, { recursive: true });
  const tone = { frequencyHz: TONES_HZ.outside, sampleRateHz: 8000, levelDbfs: -20 };
  await writeToneWav(join(context.folder, "outside-tone.wav"), { ...tone, seconds: 60 });
  await writeToneWav(join(context.folder, "outside-tone-2s.wav"), { ...tone, seconds: 2 });
  const numbers = Object.entries(OUTSIDE_NUMBERS).map(([name, number]) => [`number${capitalised(name)}`, number]);
  const server = await startAsterisk(context, {
    name: "pbx",
    configuration: { "": "deploy/lab/pbx", trunks: "sip-trunks/xivo" },
    overlay: "deploy/lab/overlay/pbx.conf",
    values: Object.fromEntries(numbers) as Record<string, string>,
  });
  const readLog = () => readFile(logFileOf(context.folder, "pbx"), "utf8");
  return {
    ...server,
    sipAddress: `127.0.0.1:${context.ports.pbxSip}`,
    recordings: async () => {
      // <number>-<seconds.counter>-heard.wav
      const names = (await readdir(recordingsFolder)).filter((name) => name.endsWith("-heard.wav"));
      const order = (name: string) => name.split("-")[1]!;
      return names
        .sort((a, b) => order(a).localeCompare(order(b), undefined, { numeric: true }))
        .map((name) => ({ number: name.split("-")[0]!, heardWav: join(recordingsFolder, name) }));
    },
    calls: async () =>
      [...(await readLog()).matchAll(/^ *LAB-CALL (\S+) from (.*)$/gm)].map(([, number, from]) => ({
        number: number!,
        from: from!,
      })),
    keys: async () => {
      return [...(await readLog()).matchAll(/DTMF end '(.)' received on ([^ ,]+)/g)].map(([, key, channel]) => ({
        key: key!,
        channel: channel!,
      }));
    },
  };
}
