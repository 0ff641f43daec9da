/**
 * The stable codes a person or a program meets: `errcode` of the API, the code in a notice, the field `code` in a log line.
 * Never rename one: administrators search for them.
 */
export const ERROR_CODES = [
  "INVALID_NUMBER",
  "NUMBER_NOT_CANONICAL",
  "NUMBER_NOT_PERMITTED",
  "EMERGENCY_NOT_PERMITTED",
  "LIMIT_REACHED",
  "NO_ROUTE",
  "NO_LIVE_CALL",
  "ALREADY_IN_CALL",
  "BOT_NOT_IN_ROOM",
  "BOT_CANNOT_INVITE",
  "GHOST_LACKS_POWER",
  "GHOST_BANNED",
  "ROOM_NOT_FOUND",
  "ROOM_UPGRADED",
  "ROOM_LOCKED",
  "NOT_YOUR_CALL",
  "CALL_NOT_FOUND",
  "UNAUTHORIZED",
  "BAD_REQUEST",
  "IDEMPOTENCY_KEY_REUSED",
  "HOMESERVER_UNAVAILABLE",
  "HOMESERVER_REFUSED",
  "TOKEN_SERVICE_REFUSED",
  "SFU_REFUSED",
  "TRUNK_UNAVAILABLE",
  "MEDIA_FAILED",
  "ENCRYPTION_FAILED",
  "SHUTTING_DOWN",
  "CONFIG_INVALID",
  "INTERNAL",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface GatewayErrorOptions {
  readonly cause?: unknown;
  /** True when the same request may succeed a moment later (the other side was busy, restarting or unreachable). */
  readonly retryable?: boolean;
}

/** An error whose message is written for the person who has to act on it: what, where, what to do. Holds no secret. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GatewayError";
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** Turns anything thrown into a GatewayError; what is unknown is `INTERNAL` and keeps its cause. */
export const toGatewayError = (thrown: unknown): GatewayError =>
  thrown instanceof GatewayError
    ? thrown
    : new GatewayError("INTERNAL", thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
