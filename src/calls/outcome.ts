import type { ErrorCode } from "../errors.ts";

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

interface OutcomeFacts {
  /** Final status that says this to a phone that is still ringing us (RFC 3261, RFC 8197 for 607/608). */
  readonly sipStatus: number;
  /** Cause that says this in a BYE, CANCEL or ARI hang-up (ITU-T Q.850, carried by RFC 3326 Reason). */
  readonly q850: number;
  /** Continues the sentence "The call to +33 1 … ended: …" */
  readonly words: string;
  /** True when people in the room are told: they did not want the call to end this way. */
  readonly isFailure: boolean;
}

export const OUTCOME_FACTS: Readonly<Record<Outcome, OutcomeFacts>> = {
  completed: { sipStatus: 480, q850: 16, words: "it was hung up", isFailure: false },
  transferred: { sipStatus: 480, q850: 16, words: "it was transferred", isFailure: false },
  removed: { sipStatus: 403, q850: 16, words: "it was removed by a moderator", isFailure: false },
  busy: { sipStatus: 486, q850: 17, words: "the line is busy", isFailure: true },
  declined: { sipStatus: 603, q850: 21, words: "the call was declined", isFailure: true },
  "no-answer": { sipStatus: 480, q850: 19, words: "nobody answered", isFailure: true },
  unreachable: { sipStatus: 480, q850: 20, words: "the phone cannot be reached", isFailure: true },
  "invalid-number": { sipStatus: 404, q850: 1, words: "the number does not exist", isFailure: true },
  "not-permitted": { sipStatus: 403, q850: 21, words: "this number may not be called", isFailure: true },
  "limit-reached": { sipStatus: 503, q850: 42, words: "too many calls at once", isFailure: true },
  cancelled: { sipStatus: 487, q850: 16, words: "it was cancelled", isFailure: false },
  "answered-elsewhere": { sipStatus: 487, q850: 26, words: "it was answered elsewhere", isFailure: false },
  "wrong-pin": { sipStatus: 403, q850: 21, words: "the PIN was wrong", isFailure: false },
  "room-unavailable": { sipStatus: 480, q850: 41, words: "the conference could not be joined", isFailure: true },
  "encryption-failed": { sipStatus: 480, q850: 41, words: "encryption could not be set up", isFailure: true },
  "media-failed": { sipStatus: 480, q850: 41, words: "the audio could not be connected", isFailure: true },
  "trunk-failed": {
    sipStatus: 503,
    q850: 38,
    words: "the telephone system refused or could not be reached",
    isFailure: true,
  },
  shutdown: { sipStatus: 503, q850: 41, words: "the gateway is being stopped", isFailure: false },
  internal: { sipStatus: 500, q850: 41, words: "the gateway had an internal error", isFailure: true },
};

/**
 * 403 counts as declined: Asterisk, and so XiVO, answers 403 for a phone that declined with 603 (its cause 21 becomes 403).
 * 401 and 407 reach us only when the trunk's credentials are wrong. 408 and 480 alone say that the phone was not found in time; a ringing
 * phone that nobody picks up comes with cause 19, or is known by its 18x (see `outcomeOfCause`).
 */
const BY_SIP_STATUS: Readonly<Record<number, Outcome>> = {
  403: "declined",
  404: "invalid-number",
  408: "unreachable",
  410: "invalid-number",
  415: "media-failed",
  433: "declined",
  480: "unreachable",
  484: "invalid-number",
  485: "invalid-number",
  486: "busy",
  487: "cancelled",
  488: "media-failed",
  600: "busy",
  603: "declined",
  604: "invalid-number",
  606: "media-failed",
  607: "declined",
  608: "declined",
};

/** Outcome of a final SIP status. Without an entry: 6xx declined, 2xx completed, all else the trunk's failure (3xx is not followed). */
export const outcomeFromSipStatus = (status: number): Outcome => {
  const listed = BY_SIP_STATUS[status];
  if (listed !== undefined) return listed;
  if (status >= 200 && status < 300) return "completed";
  return status >= 600 && status < 700 ? "declined" : "trunk-failed";
};

const BY_Q850: Readonly<Record<number, Outcome>> = {
  1: "invalid-number",
  2: "invalid-number",
  3: "invalid-number",
  16: "completed",
  17: "busy",
  18: "no-answer",
  19: "no-answer",
  20: "unreachable",
  21: "declined",
  22: "invalid-number",
  26: "answered-elsewhere",
  27: "unreachable",
  28: "invalid-number",
  31: "completed",
  58: "media-failed",
  65: "media-failed",
  79: "media-failed",
  88: "media-failed",
  102: "unreachable",
};

/** Outcome of a Q.850 cause; what has no entry (29, 34, 38, 41, 42, 127, …) is the trunk's failure. */
export const outcomeFromQ850 = (cause: number): Outcome => BY_Q850[cause] ?? "trunk-failed";

/**
 * Outcome of what the far end said, all of it taken together: the SIP status decides, except that a 408 or 480 is `no-answer` when the
 * cause says so (18, 19) or when the phone was heard ringing.
 */
export const outcomeOfCause = (
  cause: { readonly sipStatus?: number; readonly q850?: number },
  heard: { readonly rang: boolean; readonly answered: boolean },
): Outcome => {
  if (heard.answered && (cause.sipStatus === undefined || cause.sipStatus < 300)) {
    return cause.q850 === undefined ? "completed" : outcomeFromQ850(cause.q850);
  }
  if (cause.sipStatus === 408 || cause.sipStatus === 480) {
    const byCause = cause.q850 === undefined ? undefined : BY_Q850[cause.q850];
    if (byCause === "no-answer" || byCause === "unreachable") return byCause;
    return heard.rang ? "no-answer" : "unreachable";
  }
  if (cause.sipStatus !== undefined) return outcomeFromSipStatus(cause.sipStatus);
  // A normal clearing of a call that was never answered is not a completed call.
  const byCause = cause.q850 === undefined ? "trunk-failed" : outcomeFromQ850(cause.q850);
  return byCause === "completed" ? "no-answer" : byCause;
};

/** Names of livekit.DisconnectReason (protocol 1.51), as the leg room's `participant_left` carries them for a SIP participant. */
const BY_DISCONNECT_REASON: Readonly<Record<string, Outcome>> = {
  CLIENT_INITIATED: "completed",
  DUPLICATE_IDENTITY: "internal",
  SERVER_SHUTDOWN: "media-failed",
  PARTICIPANT_REMOVED: "completed",
  ROOM_DELETED: "completed",
  STATE_MISMATCH: "media-failed",
  JOIN_FAILURE: "media-failed",
  MIGRATION: "media-failed",
  SIGNAL_CLOSE: "media-failed",
  ROOM_CLOSED: "completed",
  // 404, 408, 480 and ringing out are not told apart by livekit-sip (facts/livekit.md section 3).
  USER_UNAVAILABLE: "no-answer",
  USER_REJECTED: "declined",
  SIP_TRUNK_FAILURE: "trunk-failed",
  CONNECTION_TIMEOUT: "media-failed",
  MEDIA_FAILURE: "media-failed",
  AGENT_ERROR: "internal",
};

/** Outcome of a LiveKit disconnect reason by its name; unknown ones (5xx and network faults leave as UNKNOWN_REASON) are the trunk's failure. */
export const outcomeFromDisconnectReason = (reason: string): Outcome => BY_DISCONNECT_REASON[reason] ?? "trunk-failed";

const BY_ERROR_CODE: Readonly<Record<ErrorCode, Outcome>> = {
  INVALID_NUMBER: "invalid-number",
  NUMBER_NOT_CANONICAL: "invalid-number",
  NUMBER_NOT_PERMITTED: "not-permitted",
  EMERGENCY_NOT_PERMITTED: "not-permitted",
  LIMIT_REACHED: "limit-reached",
  NO_ROUTE: "trunk-failed",
  NO_LIVE_CALL: "room-unavailable",
  ALREADY_IN_CALL: "room-unavailable",
  BOT_NOT_IN_ROOM: "room-unavailable",
  BOT_CANNOT_INVITE: "room-unavailable",
  GHOST_LACKS_POWER: "room-unavailable",
  GHOST_BANNED: "not-permitted",
  ROOM_NOT_FOUND: "room-unavailable",
  ROOM_UPGRADED: "room-unavailable",
  ROOM_LOCKED: "not-permitted",
  NOT_YOUR_CALL: "not-permitted",
  CALL_NOT_FOUND: "internal",
  UNAUTHORIZED: "not-permitted",
  BAD_REQUEST: "internal",
  IDEMPOTENCY_KEY_REUSED: "internal",
  HOMESERVER_UNAVAILABLE: "room-unavailable",
  HOMESERVER_REFUSED: "room-unavailable",
  TOKEN_SERVICE_REFUSED: "room-unavailable",
  SFU_REFUSED: "media-failed",
  TRUNK_UNAVAILABLE: "trunk-failed",
  MEDIA_FAILED: "media-failed",
  ENCRYPTION_FAILED: "encryption-failed",
  SHUTTING_DOWN: "shutdown",
  CONFIG_INVALID: "internal",
  INTERNAL: "internal",
};

/** How a call ends whose step failed with this error. */
export const outcomeFromErrorCode = (code: ErrorCode): Outcome => BY_ERROR_CODE[code];
