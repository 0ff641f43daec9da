import { type Outcome, OUTCOME_FACTS } from "../calls/outcome.ts";
import type { CallRecord } from "../calls/ports.ts";
import { formatNumber, maskNumber } from "../numbering/format.ts";

/** `45 s`, `12 min`, `1 h 5 min`. */
export const duration = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** What a caller who was not answered is told is nothing to the one who missed the call. */
const UNANSWERED: ReadonlySet<Outcome> = new Set(["cancelled", "no-answer", "unreachable"]);

type LineFacts = Pick<
  CallRecord,
  "direction" | "outcome" | "answeredAtMs" | "endedAtMs" | "forwardedTo" | "forwardedFrom"
> & {
  /** Who called, where the chat does not say it. */
  readonly caller?: string;
};

/** The one line of a one-to-one call in its chat: while they talk (no outcome yet), and when it is over. */
export const callLine = ({ forwardedTo, ...call }: LineFacts): string => {
  const line = lineOf(call);
  if (forwardedTo === undefined) return line;
  // Whoever reads the chat need not learn a number outside from it.
  const number = forwardedTo.kind === "extension" ? formatNumber(forwardedTo) : maskNumber(forwardedTo);
  return `${line.slice(0, -1)}, forwarded to ${number}.`;
};

const lineOf = ({ direction, outcome, answeredAtMs, endedAtMs, forwardedFrom, caller }: LineFacts): string => {
  const from = caller === undefined ? "" : ` from ${caller}`;
  const made = forwardedFrom === undefined ? "Outgoing call" : "Forwarded call";
  const call = direction === "inbound" ? `Incoming call${from}` : made;
  if (outcome === undefined) return `${call}, answered. The telephone side is not end-to-end encrypted.`;
  if (answeredAtMs !== undefined) {
    const lasted = `${call}, ${duration((endedAtMs ?? answeredAtMs) - answeredAtMs)}`;
    return OUTCOME_FACTS[outcome].isFailure ? `${lasted}: ${OUTCOME_FACTS[outcome].words}.` : `${lasted}.`;
  }
  if (direction === "outbound") return `${call}: ${OUTCOME_FACTS[outcome].words}.`;
  if (outcome === "declined") return `${call}, declined.`;
  if (outcome === "busy") return `Missed call${from}: you were in another call.`;
  if (outcome === "not-permitted") return `Missed call${from}: phones may not call you.`;
  return UNANSWERED.has(outcome) ? `Missed call${from}.` : `Missed call${from}: ${OUTCOME_FACTS[outcome].words}.`;
};
