import { type Outcome, outcomeOfCause } from "../../calls/outcome.ts";
import type { LegCause, LegFact } from "../../calls/ports.ts";

export type LegEnd = Omit<Extract<LegFact, { type: "leg.ended" }>, "type">;

/** What is known of a leg when Asterisk says that its channel is gone. */
export interface DestroyedLeg {
  /** Q.850 of `ChannelDestroyed`. */
  readonly cause: number;
  /** `tech_cause` of `ChannelDestroyed`. */
  readonly techCause?: number;
  readonly rang: boolean;
  readonly answered: boolean;
  /** Asterisk hung up by itself; for a leg that we did not end: the ring time-out of the dial. */
  readonly hungUpInside: boolean;
  /** Nobody asked for the hang-up and the longest duration is over: TIMEOUT(absolute). */
  readonly outOfTime: boolean;
}

/** Failures of the way to the PBX; everything else that ends an answered call is a hang-up. */
const FAILED_WAYS: ReadonlySet<Outcome> = new Set(["trunk-failed", "media-failed"]);

/**
 * Asterisk's `cause` is what the far end said only when there is no `tech_cause`: else it is Asterisk's own translation of the SIP
 * status, whatever Reason header came with it (measured with 22.10: 480 with cause 20 arrives as 480 with cause 19). In an answered
 * call it is the other way round: `tech_cause` is then a translation of the Reason header of the BYE.
 */
const causeOf = ({ answered, cause, techCause }: DestroyedLeg): LegCause =>
  techCause === undefined || answered ? { q850: cause } : { sipStatus: techCause };

/**
 * INVITE without any reply until timer B (6.4 s with deploy/asterisk, else 32 s): 408 made by Asterisk, with cause 16; a 408 of the PBX
 * has cause 18.
 */
const gotNoReply = ({ cause, techCause }: DestroyedLeg): boolean => techCause === 408 && cause === 16;

export const legEndOf = (leg: DestroyedLeg): LegEnd => {
  if (leg.outOfTime) return { outcome: "limit-reached", cause: { q850: leg.cause }, tryNextTrunk: false };
  if (leg.hungUpInside && !leg.answered) {
    // Asterisk adds `tech_cause` 480 to its own time-out: no one said that.
    const outcome = leg.rang ? "no-answer" : "unreachable";
    return { outcome, cause: { q850: 19, text: "ring time-out" }, tryNextTrunk: false };
  }
  const cause = causeOf(leg);
  const outcome = outcomeOfCause(cause, leg);
  if (leg.answered) {
    return { outcome: FAILED_WAYS.has(outcome) ? outcome : "completed", cause, tryNextTrunk: false };
  }
  if (gotNoReply(leg)) {
    return { outcome: "trunk-failed", cause: { sipStatus: 408, text: "no reply from the PBX" }, tryNextTrunk: true };
  }
  // 503 is also what Asterisk makes of a refused TCP or TLS connection.
  return { outcome, cause, tryNextTrunk: cause.sipStatus === 503 && !leg.rang };
};
