import { GatewayError } from "../errors.ts";
import { type UserId, userId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import { readCsv, readYaml, type Written } from "./entries.ts";

/** Names of phones, and the people whom numbers belong to, as the administrator wrote them down. */
export interface Directory {
  nameOf(number: PhoneNumber): string | undefined;
  personOf(number: PhoneNumber): UserId | undefined;
}

const LONGEST_NAME = 100;
const LONGEST_USER_ID = 255;

interface Entry {
  readonly name?: string;
  readonly user?: UserId;
  readonly where: string;
}

const safeName = (name: string): string => name.replace(/\p{C}/gu, "").slice(0, LONGEST_NAME);

const invalid = (source: string, where: string, words: string, cause?: unknown): GatewayError =>
  new GatewayError("CONFIG_INVALID", `${source}, ${where}: ${words}`, { cause });

const canonical = ({ number, where }: Written, plan: NumberPlan, source: string): string => {
  try {
    return canonicalDigits(parseNumber(number, plan));
  } catch (cause) {
    throw invalid(source, where, `${JSON.stringify(number.slice(0, 40))} is not a phone number`, cause);
  }
};

const entryOf = ({ name, user, where }: Written, source: string): Entry => {
  if (name === undefined && user === undefined) throw invalid(source, where, "expected a name or a user");
  if (user !== undefined && (!/^@[^:\s]*:[^\s]+$/.test(user) || user.length > LONGEST_USER_ID)) {
    throw invalid(source, where, "expected a Matrix user, such as @alice:example.org");
  }
  const shown = safeName(name ?? "");
  return { where, ...(shown === "" ? {} : { name: shown }), ...(user === undefined ? {} : { user: userId(user) }) };
};

/** Throws CONFIG_INVALID naming line and column of the entry that is wrong. `source`: for that message. */
export const createDirectory = (text: string, source: string, plan: NumberPlan): Directory => {
  const reading = /\.csv$/i.test(source) ? readCsv(text) : readYaml(text);
  if ("problem" in reading) throw new GatewayError("CONFIG_INVALID", `${source}, ${reading.problem}`);
  const entries = new Map<string, Entry>();
  for (const written of reading.entries) {
    const digits = canonical(written, plan, source);
    const earlier = entries.get(digits);
    if (earlier !== undefined) throw invalid(source, written.where, `this number is there already: ${earlier.where}`);
    entries.set(digits, entryOf(written, source));
  }
  return {
    nameOf: (number) => entries.get(canonicalDigits(number))?.name,
    personOf: (number) => entries.get(canonicalDigits(number))?.user,
  };
};
