import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";

/** Names of phones, as the administrator wrote them down. */
export interface Directory {
  nameOf(number: PhoneNumber): string | undefined;
}

const LONGEST_NAME = 100;

const entries = z.array(
  z.strictObject({ number: z.union([z.string(), z.int()]).transform(String), name: z.string().trim().min(1) }),
);

type Entry = z.output<typeof entries>[number];

/** `number,name` in each line, with or without quotes and a first line of headings. */
const parseCsv = (text: string): unknown =>
  text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "" && !/^"?number"?\s*[,;]/i.test(line))
    .map((line) => {
      const [, number = "", name = ""] = /^\s*"?([^",;]*)"?\s*[,;]\s*(.*?)\s*$/.exec(line) ?? [];
      return { number, name: name.replace(/^"(.*)"$/, "$1").replaceAll('""', '"') };
    });

const safeName = (name: string): string => name.replace(/\p{C}/gu, "").slice(0, LONGEST_NAME);

const canonical = ({ number }: Entry, plan: NumberPlan, source: string): string => {
  try {
    return canonicalDigits(parseNumber(number, plan));
  } catch (cause) {
    const message = `${source}: ${JSON.stringify(number.slice(0, 40))} is not a phone number`;
    throw new GatewayError("CONFIG_INVALID", message, { cause });
  }
};

/** Throws CONFIG_INVALID naming the entry that is wrong. `source`: for that message. */
export const createDirectory = (text: string, source: string, plan: NumberPlan): Directory => {
  const read = /\.csv$/i.test(source) ? parseCsv : (yaml: string): unknown => parse(yaml) ?? [];
  let values: unknown;
  try {
    values = read(text);
  } catch (cause) {
    throw new GatewayError("CONFIG_INVALID", `${source} is not YAML`, { cause });
  }
  const parsed = entries.safeParse(values);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join(".") ?? "";
    throw new GatewayError("CONFIG_INVALID", `${source}: expected a list of number and name, entry ${where} is not`);
  }
  const names = new Map(parsed.data.map((entry) => [canonical(entry, plan, source), safeName(entry.name)]));
  return { nameOf: (number) => names.get(canonicalDigits(number)) };
};

/** Without a file nobody has a name. */
export const loadDirectory = async (file: string | undefined, plan: NumberPlan): Promise<Directory> => {
  if (file === undefined) return { nameOf: () => undefined };
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new GatewayError("CONFIG_INVALID", `directory.file: ${file} cannot be read`, { cause });
  }
  return createDirectory(text, file, plan);
};
