import type { RoomId, TrunkId, UserId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import type { Forward } from "./forward.ts";

/** Where an inbound call goes. */
export type Destination =
  | { readonly kind: "room"; readonly roomId: RoomId }
  /** Rings one person. */
  | { readonly kind: "user"; readonly userId: UserId; readonly forward?: Forward };

export interface DispatchRule {
  /** In log lines and errors. */
  readonly name: string;
  /** Called numbers: as the PBX sends them, or canonical. */
  readonly numbers: readonly string[];
  readonly trunks: readonly TrunkId[];
  /** Only callers whose canonical number begins with one of these; absent: everybody, anonymous callers too. */
  readonly callers?: readonly string[];
  readonly destination: Destination;
}

export interface Dialled {
  /** User part of the request URI. */
  readonly called: string;
  readonly trunkId: TrunkId;
  readonly caller: PhoneNumber;
  /** Number plan of the trunk. */
  readonly plan: NumberPlan;
}

/** The canonical form of what was dialled, or itself where it is none. */
const canonical = (dialled: string, plan: NumberPlan): string => {
  try {
    return canonicalDigits(parseNumber(dialled, plan));
  } catch {
    return dialled;
  }
};

/** Length of the longest prefix that fits; -1: the rule is not for this caller. */
const closeness = ({ callers }: DispatchRule, digits: string): number =>
  callers === undefined ? 0 : Math.max(-1, ...callers.filter((one) => digits.startsWith(one)).map((one) => one.length));

/** The rule for a call: number and trunk must fit; of several the one that knows the caller best. Two never fit equally (findConflicts). */
export const findRule = (rules: readonly DispatchRule[], call: Dialled): DispatchRule | undefined => {
  const names = new Set([call.called, canonical(call.called, call.plan)]);
  const digits = canonicalDigits(call.caller);
  const [best] = rules
    .filter(({ trunks, numbers }) => trunks.includes(call.trunkId) && numbers.some((one) => names.has(one)))
    .map((rule) => ({ rule, fit: closeness(rule, digits) }))
    .filter(({ fit }) => fit >= 0)
    .toSorted((one, other) => other.fit - one.fit);
  return best?.rule;
};

const shared = (some: readonly string[], others: readonly string[]): string | undefined =>
  some.find((one) => others.includes(one));

/** Pairs of rules of which a call could fit both equally well, and the number they share. */
export const findConflicts = (
  rules: readonly DispatchRule[],
): readonly { readonly first: number; readonly second: number; readonly number: string }[] =>
  rules.flatMap((rule, second) =>
    rules.slice(0, second).flatMap((earlier, first) => {
      const number = shared(rule.numbers, earlier.numbers);
      const isSameTrunk = shared(rule.trunks, earlier.trunks) !== undefined;
      const isSameCaller = shared(rule.callers ?? [""], earlier.callers ?? [""]) !== undefined;
      return number !== undefined && isSameTrunk && isSameCaller ? [{ first, second, number }] : [];
    }),
  );
