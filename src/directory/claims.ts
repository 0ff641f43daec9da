import { GatewayError } from "../errors.ts";
import type { UserId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import type { Bindings } from "./bindings.ts";

export interface ClaimsDeps {
  readonly bindings: Pick<Bindings, "check" | "directory">;
  readonly plan: NumberPlan;
  /** Counts an attempt of this user, or about this number, and returns 0; or returns in how many milliseconds the next one is possible. */
  readonly limit: { attempt(subject: string): number };
  /** Throws GatewayError for a number that this user may not call. */
  readonly authorize: (user: UserId, number: PhoneNumber) => void;
  /** Calls the number and says the code; returns at once. Throws GatewayError when the number cannot be called. */
  readonly speak: (number: PhoneNumber, user: UserId, code: string) => void;
  readonly newCode: () => string;
  readonly nowMs: () => number;
}

/** Users show that an extension is theirs: who answers it hears a code. */
export interface Claims {
  /** Has the extension called. Throws GatewayError. */
  ask(user: UserId, number: string): PhoneNumber;
  /** Throws BAD_REQUEST for a code that is wrong or not valid any more. */
  prove(user: UserId, number: string, code: string): void;
}

interface Claim {
  readonly code: string;
  readonly untilMs: number;
  attemptsLeft: number;
}

/** Of 262 144 codes three may be tried, once a minute. */
export const CODE_DIGITS = 6;
const MOST_ATTEMPTS = 3;
/** From the request on. */
export const CODE_LIFE_MS = 5 * 60_000;

const refused = (words: string): GatewayError => new GatewayError("BAD_REQUEST", words);

export const createClaims = (deps: ClaimsDeps): Claims => {
  const { bindings, plan, limit, nowMs } = deps;
  const claims = new Map<string, Claim>();
  const keyOf = (user: UserId, number: PhoneNumber): string => `${canonicalDigits(number)} ${user}`;

  const forgetOld = (): void => {
    for (const [key, { untilMs }] of claims) if (untilMs <= nowMs()) claims.delete(key);
  };

  return {
    ask: (user, text) => {
      const number = bindings.check(text, user);
      if (number.kind !== "extension") throw refused("Only extensions can be claimed.");
      if (bindings.directory.personOf(number) === user) throw refused(`${number.extension} is yours already.`);
      const waitMs = limit.attempt(user) || limit.attempt(number.extension);
      if (waitMs > 0) {
        throw new GatewayError("LIMIT_REACHED", `Try again in ${Math.ceil(waitMs / 1000)} s.`, { retryable: true });
      }
      deps.authorize(user, number);
      forgetOld();
      const code = deps.newCode();
      deps.speak(number, user, code);
      claims.set(keyOf(user, number), { code, untilMs: nowMs() + CODE_LIFE_MS, attemptsLeft: MOST_ATTEMPTS });
      return number;
    },
    prove: (user, text, code) => {
      forgetOld();
      const key = keyOf(user, parseNumber(text, plan));
      const claim = claims.get(key);
      if (claim === undefined) throw refused("There is no code for that number (any more): ask for a new one.");
      claim.attemptsLeft -= 1;
      if (claim.code === code || claim.attemptsLeft === 0) claims.delete(key);
      if (claim.code !== code) throw refused("This is not the code.");
    },
  };
};
