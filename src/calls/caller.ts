import type { GhostUserId } from "../ids.ts";
import { formatNumber, maskNumber } from "../numbering/format.ts";
import { ghostOf, maskedGhostOf } from "../numbering/ghost-id.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import type { CallerAsSaid } from "./ports.ts";
import type { Trunk } from "./trunk.ts";

/** What is known of callers beyond their numbers. */
export interface CallerNames {
  /** Name in the directory. */
  nameOf(number: PhoneNumber): string | undefined;
  /** 12 small letters and digits that tell nothing of the text and are always the same for it. */
  mask(text: string): string;
}

/** Who calls, as far as it can be believed, and as the room may see it. */
export interface Caller {
  readonly number: PhoneNumber;
  readonly ghost: GhostUserId;
  readonly name: string;
}

const NO_CALLER: PhoneNumber = { kind: "anonymous", class: "anonymous" };

const parsed = (text: string, plan: NumberPlan): PhoneNumber | undefined => {
  try {
    return parseNumber(text, plan);
  } catch {
    return undefined;
  }
};

/**
 * The caller's number in canonical form. National forms are read in the country of the trunk; some PBXs leave the `+` out. What is no number
 * (empty, `anonymous`, 300 characters of anything) is an anonymous caller: the call is not refused for it.
 */
export const readCaller = ({ number: said, isHidden }: CallerAsSaid, plan: NumberPlan): PhoneNumber => {
  if (isHidden || said === undefined) return NO_CALLER;
  const number = parsed(said, plan) ?? (/^[1-9]\d{9,14}$/.test(said) ? parsed(`+${said}`, plan) : undefined);
  // Short codes and emergency numbers call nobody.
  return number === undefined || number.kind === "short" ? NO_CALLER : number;
};

/**
 * Ghost and name of a caller. Numbers from outside are masked in both unless the trunk shows them: a user id is seen by every server. What an
 * untrusted trunk says is anybody's claim: such a caller gets an id of its own, never that of the number, and the name says so.
 */
export const identify = (
  said: CallerAsSaid,
  trunk: Trunk,
  plan: NumberPlan,
  { serverName, names }: { readonly serverName: string; readonly names: CallerNames },
): Caller => {
  const number = readCaller(said, plan);
  if (number.kind === "anonymous") return { number, ghost: ghostOf(number, serverName), name: formatNumber(number) };
  const digits = canonicalDigits(number);
  const isMasked = number.kind === "e164" && !trunk.inbound.showsExternalCallers;
  const written = isMasked ? maskNumber(number) : formatNumber(number);
  if (!trunk.inbound.isTrusted) {
    const ghost = maskedGhostOf(names.mask(`${trunk.id} ${digits}`), serverName);
    return { number, ghost, name: `${written} (not verified)` };
  }
  const ghost = isMasked ? maskedGhostOf(names.mask(digits), serverName) : ghostOf(number, serverName);
  return { number, ghost, name: names.nameOf(number) ?? written };
};
