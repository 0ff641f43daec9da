import type { ErrorRequestHandler, RequestHandler } from "express";
import { type ErrorCode, GatewayError, toGatewayError } from "../errors.ts";
import type { Log } from "../log.ts";

/** HTTP status of every code; 5xx only where the fault is not in the request. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_NUMBER: 400,
  NUMBER_NOT_CANONICAL: 400,
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  NUMBER_NOT_PERMITTED: 403,
  EMERGENCY_NOT_PERMITTED: 403,
  NOT_YOUR_CALL: 403,
  BOT_NOT_IN_ROOM: 403,
  BOT_CANNOT_INVITE: 403,
  GHOST_LACKS_POWER: 403,
  GHOST_BANNED: 403,
  CALL_NOT_FOUND: 404,
  ROOM_NOT_FOUND: 404,
  NO_LIVE_CALL: 409,
  ALREADY_IN_CALL: 409,
  ROOM_UPGRADED: 409,
  ROOM_LOCKED: 409,
  NO_ROUTE: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
  LIMIT_REACHED: 429,
  CONFIG_INVALID: 500,
  INTERNAL: 500,
  MEDIA_FAILED: 500,
  ENCRYPTION_FAILED: 500,
  HOMESERVER_REFUSED: 502,
  TOKEN_SERVICE_REFUSED: 502,
  SFU_REFUSED: 502,
  HOMESERVER_UNAVAILABLE: 503,
  TRUNK_UNAVAILABLE: 503,
  SHUTTING_DOWN: 503,
};

/** `errcode`s of answers that no GatewayError stands behind: the API's own, or Matrix' towards the homeserver. */
export interface RequestCodes {
  readonly badRequest: string;
  readonly tooLarge: string;
  readonly notFound: string;
}

export const API_CODES: RequestCodes = {
  badRequest: "BAD_REQUEST",
  tooLarge: "BAD_REQUEST",
  notFound: "NOT_FOUND",
};

/** As the Matrix specification names them (Client-Server API, "Standard error response"). */
export const MATRIX_CODES: RequestCodes = {
  badRequest: "M_NOT_JSON",
  tooLarge: "M_TOO_LARGE",
  notFound: "M_UNRECOGNIZED",
};

interface Answer {
  readonly status: number;
  readonly errcode: string;
  readonly error: string;
}

/** What express and body-parser throw: `http-errors` with a status and, for bodies, a type. */
interface RequestFault {
  readonly status: number;
  readonly type?: unknown;
}

const isRequestFault = (thrown: unknown): thrown is RequestFault =>
  typeof thrown === "object" &&
  thrown !== null &&
  !(thrown instanceof GatewayError) &&
  "status" in thrown &&
  typeof thrown.status === "number" &&
  thrown.status >= 400 &&
  thrown.status < 500;

/** Written here, not taken from the error: the original quotes the body, and the body may be anything. */
const FAULTS: Readonly<Record<string, string>> = {
  "entity.parse.failed": "The body is not valid JSON",
  "entity.too.large": "The body is too large",
  "encoding.unsupported": "The body has an encoding that is not supported",
  "charset.unsupported": "The body must be UTF-8",
  "request.aborted": "The request ended before its body was complete",
  "request.size.invalid": "The body is not as long as its Content-Length",
};

const answerTo = (thrown: unknown, codes: RequestCodes): Answer => {
  if (isRequestFault(thrown)) {
    const isTooLarge = thrown.status === 413;
    return {
      status: isTooLarge ? 413 : 400,
      errcode: isTooLarge ? codes.tooLarge : codes.badRequest,
      error: FAULTS[String(thrown.type)] ?? "The request cannot be read",
    };
  }
  const error = toGatewayError(thrown);
  const status = STATUS[error.code];
  // The words of an unexpected error were written for developers and may quote anything.
  const words =
    error.code === "INTERNAL" ? "Something went wrong in the gateway; its log has the details" : error.message;
  return { status, errcode: error.code, error: words };
};

/** The one place where an error becomes an answer. */
export const handleErrors =
  (codes: RequestCodes, log: Log): ErrorRequestHandler =>
  (thrown, request, response, next) => {
    const { status, errcode, error } = answerTo(thrown, codes);
    if (status >= 500) log.error({ method: request.method, code: errcode, error: thrown }, "request failed");
    if (response.headersSent) return next(thrown);
    if (status === 401) response.set("WWW-Authenticate", "Bearer");
    response.status(status).json({ errcode, error });
  };

export const handleUnknownRoute =
  (codes: RequestCodes): RequestHandler =>
  (request, response) => {
    response.status(404).json({ errcode: codes.notFound, error: `There is no ${request.method} at this address` });
  };
