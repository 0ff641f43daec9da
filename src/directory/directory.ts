import { type Forward, mapForward } from "../calls/forward.ts";
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
  /** Where calls to it go that its person does not take. */
  forwardOf(number: PhoneNumber): Forward | undefined;
  numbersOf(user: UserId): readonly PhoneNumber[];
  /** Everybody who has a number. */
  owners(): readonly Owner[];
}

export interface Owner {
  readonly number: PhoneNumber;
  readonly user: UserId;
}

const LONGEST_NAME = 100;
const LONGEST_USER_ID = 255;

interface Entry {
  readonly number: PhoneNumber;
  readonly name?: string;
  readonly user?: UserId;
  readonly forward?: Forward;
  readonly where: string;
}

const safeName = (name: string): string => name.replace(/\p{C}/gu, "").slice(0, LONGEST_NAME);

const invalid = (source: string, where: string, words: string, cause?: unknown): GatewayError =>
  new GatewayError("CONFIG_INVALID", `${source}, ${where}: ${words}`, { cause });

interface Reader {
  readonly source: string;
  /** Throws CONFIG_INVALID. */
  readonly parse: (number: string, where: string) => PhoneNumber;
}

const createReader = (source: string, plan: NumberPlan): Reader => ({
  source,
  parse: (number, where) => {
    try {
      return parseNumber(number, plan);
    } catch (cause) {
      throw invalid(source, where, `${JSON.stringify(number.slice(0, 40))} is not a phone number`, cause);
    }
  },
});

const entryOf = (written: Written, number: PhoneNumber, reader: Reader): Entry => {
  const { name, user, where } = written;
  const { source } = reader;
  const { no_answer: noAnswer, busy, declined } = written;
  const forward = mapForward({ noAnswer, busy, declined }, (number: string) => reader.parse(number, where));
  const isForwarded = Object.keys(forward).length > 0;
  if (isForwarded && user === undefined) throw invalid(source, where, "only calls to a user go on to somebody else");
  if (name === undefined && user === undefined) throw invalid(source, where, "expected a name or a user");
  if (user !== undefined && (!/^@[^:\s]*:[^\s]+$/.test(user) || user.length > LONGEST_USER_ID)) {
    throw invalid(source, where, "expected a Matrix user, such as @alice:example.org");
  }
  const shown = safeName(name ?? "");
  return {
    number,
    where,
    ...(shown === "" ? {} : { name: shown }),
    ...(user === undefined ? {} : { user: userId(user) }),
    ...(isForwarded ? { forward } : {}),
  };
};

/** Throws CONFIG_INVALID naming line and column of the entry that is wrong. `source`: for that message. */
export const createDirectory = (text: string, source: string, plan: NumberPlan): Directory => {
  const reading = /\.csv$/i.test(source) ? readCsv(text) : readYaml(text);
  if ("problem" in reading) throw new GatewayError("CONFIG_INVALID", `${source}, ${reading.problem}`);
  const reader = createReader(source, plan);
  const entries = new Map<string, Entry>();
  for (const written of reading.entries) {
    const number = reader.parse(written.number, written.where);
    const digits = canonicalDigits(number);
    const earlier = entries.get(digits);
    if (earlier !== undefined) throw invalid(source, written.where, `this number is there already: ${earlier.where}`);
    entries.set(digits, entryOf(written, number, reader));
  }
  return {
    nameOf: (number) => entries.get(canonicalDigits(number))?.name,
    personOf: (number) => entries.get(canonicalDigits(number))?.user,
    forwardOf: (number) => entries.get(canonicalDigits(number))?.forward,
    numbersOf: (user) => [...entries.values()].filter((entry) => entry.user === user).map(({ number }) => number),
    owners: () => [...entries.values()].flatMap(({ number, user }) => (user === undefined ? [] : [{ number, user }])),
  };
};
