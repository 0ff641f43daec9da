/** How a call ended: a closed list, the same word in log, metric, API, notice and SIP cause (design section 6). */
export const OUTCOMES = [
  "completed",
  "transferred",
  "removed",
  "busy",
  "declined",
  "no-answer",
  "unreachable",
  "invalid-number",
  "not-permitted",
  "limit-reached",
  "cancelled",
  "answered-elsewhere",
  "wrong-pin",
  "room-unavailable",
  "encryption-failed",
  "media-failed",
  "trunk-failed",
  "shutdown",
  "internal",
] as const;

export type Outcome = (typeof OUTCOMES)[number];
