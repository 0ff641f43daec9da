import { GatewayError } from "../errors.ts";
import type { DeviceId, UserId } from "../ids.ts";
import { maskGhosts } from "./mask.ts";

export interface HomeserverOptions {
  /** Client-server API of the homeserver, without a trailing slash. */
  readonly url: string;
  readonly asToken: string;
  /** Longest wait for one answer. */
  readonly requestTimeoutMs?: number;
}

export interface HomeserverRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Path from `/_matrix` on, already percent-encoded where it holds ids; may carry a query. */
  readonly path: string;
  readonly body?: unknown;
  /** Raw bytes instead of JSON (media upload). */
  readonly rawBody?: { readonly bytes: Uint8Array; readonly contentType: string };
  /** Masquerade as this user of our namespace, and as this device of it (MSC4326). */
  readonly as?: { readonly userId: UserId; readonly deviceId?: DeviceId };
  readonly signal?: AbortSignal;
}

/** The homeserver as the application service sees it: plain requests with the `as_token`, masqueraded where asked. */
export interface Homeserver {
  readonly url: string;
  readonly asToken: string;
  /** Resolves with the parsed JSON body (unknown: parse it). Rejects with MatrixError or GatewayError HOMESERVER_UNAVAILABLE. */
  request(request: HomeserverRequest): Promise<unknown>;
}

/** An answer of the homeserver that is not 2xx. */
export class MatrixError extends GatewayError {
  readonly status: number;
  /** `M_FORBIDDEN` and so on; empty when the body was not a Matrix error (a proxy answered). */
  readonly errcode: string;

  constructor(status: number, errcode: string, message: string) {
    super(status >= 500 ? "HOMESERVER_UNAVAILABLE" : "HOMESERVER_REFUSED", message, {
      retryable: status >= 500 || status === 429,
    });
    this.name = "MatrixError";
    this.status = status;
    this.errcode = errcode;
  }
}

/** `/_matrix/<prefix>/<segment>/...`; segments are percent-encoded, as ids hold `!`, `@`, `:`, `+` and `/`. */
export const matrixPath = (
  prefix: "client/v3" | "client/v1" | "client/unstable" | "media/v3",
  ...segments: readonly string[]
): string => `/_matrix/${prefix}/${segments.map(encodeURIComponent).join("/")}`;

const queryOf = (as: HomeserverRequest["as"]): string => {
  if (as === undefined) return "";
  const query = new URLSearchParams({ user_id: as.userId });
  if (as.deviceId !== undefined) query.set("device_id", as.deviceId);
  return query.toString();
};

const errorOf = (request: HomeserverRequest, status: number, text: string): MatrixError => {
  let errcode = "";
  let message = text.slice(0, 200);
  try {
    const body = JSON.parse(text) as { errcode?: unknown; error?: unknown };
    if (typeof body.errcode === "string") errcode = body.errcode;
    if (typeof body.error === "string") message = body.error;
  } catch {
    // A proxy's HTML page: the first words of it are all there is to say.
  }
  const path = request.path.split("?")[0];
  const words = `${request.method} ${path}: ${status} ${errcode} ${message}`.trim();
  // Paths and messages name ghosts, whose ids are phone numbers; errors end up in logs.
  return new MatrixError(status, errcode, maskGhosts(words));
};

export const createHomeserver = (options: HomeserverOptions): Homeserver => ({
  url: options.url,
  asToken: options.asToken,
  request: async (request) => {
    const query = queryOf(request.as);
    const separator = request.path.includes("?") ? "&" : "?";
    const timeout = AbortSignal.timeout(options.requestTimeoutMs ?? 15_000);
    const body = request.rawBody?.bytes ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${options.url}${request.path}${query === "" ? "" : separator + query}`, {
        method: request.method,
        headers: {
          authorization: `Bearer ${options.asToken}`,
          ...(body === undefined ? {} : { "content-type": request.rawBody?.contentType ?? "application/json" }),
        },
        signal: request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]),
        ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
      });
      text = await response.text();
    } catch (error) {
      throw new GatewayError("HOMESERVER_UNAVAILABLE", `The homeserver at ${options.url} does not answer`, {
        cause: error,
        retryable: true,
      });
    }
    if (!response.ok) throw errorOf(request, response.status, text);
    if (text === "") return {};
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new GatewayError("HOMESERVER_UNAVAILABLE", `The homeserver at ${options.url} answered no JSON`, {
        cause: error,
      });
    }
  },
});
