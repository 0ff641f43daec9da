import { ServerError, SipCallError } from "livekit-server-sdk";
import { outcomeFromSipStatus } from "../../calls/outcome.ts";
import type { LegCause, LegFact } from "../../calls/ports.ts";

/** How a leg ended. */
export type Ended = Omit<Extract<LegFact, { type: "leg.ended" }>, "type">;

const statusOf = (error: unknown): number | undefined =>
  error instanceof SipCallError ? error.sipStatusCode : undefined;

/**
 * Why `CreateSIPParticipant` failed. Only a refusal before any 18x may be tried on the next trunk (`rang` false): a 503, a load
 * refusal of livekit-sip itself (Twirp `unavailable`, "cpu exhausted"), or a PBX that could not be reached at all.
 */
export const endedOfDialError = (error: unknown, rang: boolean): Ended => {
  const sipStatus = statusOf(error);
  if (sipStatus !== undefined) {
    const cause: LegCause = { sipStatus };
    return { outcome: outcomeFromSipStatus(sipStatus), cause, tryNextTrunk: sipStatus === 503 && !rang };
  }
  const code = error instanceof ServerError ? error.code : undefined;
  // livekit-sip gives up ringing with `canceled` and no SIP status.
  if (code === "canceled" || code === "deadline_exceeded") {
    return { outcome: "no-answer", cause: { text: `livekit-sip: ${code}` }, tryNextTrunk: false };
  }
  const text = code === undefined ? "livekit-sip could not be reached" : `livekit-sip: ${code}`;
  return { outcome: "trunk-failed", cause: { text }, tryNextTrunk: !rang };
};
