/** The four sides of the demo's call: what each says, and how to measure what it hears. */
import { TONES_HZ } from "../lab/audio/tone.ts";
import { hearInWav } from "../lab/audio/wav-hearing.ts";
import type { ElementCallMember } from "../lab/element-call/member.ts";
import type { LabPhone } from "../lab/phones/phone.ts";
import type { Pbx } from "../lab/servers/pbx.ts";
import type { Report } from "./report.ts";

export interface Side {
  readonly name: string;
  readonly toneHz: number;
  /** Level of a tone in what this side hears now, dBFS; rejects when it does not hear it. */
  hear(frequencyHz: number): Promise<number>;
}

const WITHIN_MS = 10_000;

export const browserSide = (name: "alice" | "bob", member: ElementCallMember): Side => ({
  name: `${name} (Element Call)`,
  toneHz: TONES_HZ[name],
  hear: async (frequencyHz) => (await member.hear(frequencyHz, { withinMs: WITHIN_MS })).levelDbfs,
});

export const phoneSide = (phone: LabPhone): Side => ({
  name: `phone ${phone.number}`,
  toneHz: phone.toneHz,
  hear: (frequencyHz) => hearInWav(() => phone.heardWav(), frequencyHz, { withinMs: WITHIN_MS }),
});

export const outsideSide = (pbx: Pbx, number: string): Side => ({
  name: number,
  toneHz: TONES_HZ.outside,
  hear: (frequencyHz) =>
    hearInWav(
      async () => {
        const recording = (await pbx.recordings()).findLast((one) => one.number === number);
        if (recording === undefined) throw new Error(`${number} has not heard anything yet`);
        return recording.heardWav;
      },
      frequencyHz,
      { withinMs: WITHIN_MS },
    ),
});

/** Every side hears every other side's tone; each pair goes into the report. */
export const everyoneHearsEveryone = async (sides: readonly Side[], report: Report): Promise<string> => {
  const pairs = sides.flatMap((from) => sides.filter((at) => at !== from).map((at) => ({ from, at })));
  await Promise.all(
    pairs.map(async ({ from, at }) => {
      const levelDbfs = await at.hear(from.toneHz).catch((error: unknown) => {
        throw new Error(
          `${at.name} does not hear ${from.name}: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
      report.tone({ from: from.name, at: at.name, frequencyHz: from.toneHz, levelDbfs });
    }),
  );
  return `${pairs.length} tones measured`;
};
