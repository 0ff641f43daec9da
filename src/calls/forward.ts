import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { Outcome } from "./outcome.ts";

/** Where calls go that a person does not take. */
export interface Forward {
  /** Nobody answers in time, or nobody can be rung. */
  readonly noAnswer?: PhoneNumber;
  /** The person is in another call. */
  readonly busy?: PhoneNumber;
  readonly declined?: PhoneNumber;
}

const REASONS: Readonly<Partial<Record<Outcome, keyof Forward>>> = {
  "no-answer": "noAnswer",
  unreachable: "noAnswer",
  "room-unavailable": "noAnswer",
  busy: "busy",
  declined: "declined",
};

/** The next destination of a call to a person that came to this end. */
export const forwardTarget = (forward: Forward | undefined, outcome: Outcome): PhoneNumber | undefined => {
  const reason = REASONS[outcome];
  return reason === undefined ? undefined : forward?.[reason];
};

/** The destinations as `convert` has them, without those that it has not. */
export const mapForward = <From>(
  from: { readonly [Reason in keyof Forward]?: From | undefined },
  convert: (from: From) => PhoneNumber | undefined,
): Forward => {
  const made: { -readonly [Reason in keyof Forward]: Forward[Reason] } = {};
  for (const reason of ["noAnswer", "busy", "declined"] as const) {
    const given = from[reason];
    const number = given === undefined ? undefined : convert(given);
    if (number !== undefined) made[reason] = number;
  }
  return made;
};
