import { z } from "zod";
import { GatewayError } from "../../errors.ts";
import type { DeviceId, RoomId, UserId } from "../../ids.ts";
import { matrixPath, type Homeserver } from "../homeserver.ts";
import { plainIdentity } from "./member-events.ts";

export interface SfuTokenRequest {
  readonly serviceUrl: string;
  readonly roomId: RoomId;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

export interface SfuToken {
  readonly sfuUrl: string;
  /** LiveKit access token: never log it. */
  readonly token: string;
  readonly identity: string;
}

const REQUEST_TIMEOUT_MS = 10_000;

const openIdSchema = z.object({
  access_token: z.string(),
  expires_in: z.number(),
  matrix_server_name: z.string(),
  token_type: z.string(),
});
const answerSchema = z.object({ url: z.string(), jwt: z.string() });
const errorSchema = z.object({ errcode: z.string().optional(), error: z.string().optional() });
const claimsSchema = z.object({ sub: z.string() });

const refused = (serviceUrl: string, what: string, retryable = false, cause?: unknown): GatewayError =>
  new GatewayError("TOKEN_SERVICE_REFUSED", `The token service at ${serviceUrl} ${what}`, { retryable, cause });

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Subject of a JSON Web Token; its signature is the SFU's to check. */
const subjectOf = (token: string): string | undefined => {
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  return claimsSchema.safeParse(parseJson(payload)).data?.sub;
};

const post = async (serviceUrl: string, body: unknown): Promise<{ status: number; answer: unknown }> => {
  try {
    const response = await fetch(`${serviceUrl.replace(/\/+$/, "")}/sfu/get`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    return { status: response.status, answer: parseJson(await response.text()) };
  } catch (error) {
    throw refused(serviceUrl, "does not answer", true, error);
  }
};

/**
 * Changes an OpenID token of the ghost into a LiveKit token (`/sfu/get` of MSC4195's service, the endpoint of compatibility mode).
 * Rejects with TOKEN_SERVICE_REFUSED or HOMESERVER_*.
 */
export const requestSfuToken = async (homeserver: Homeserver, request: SfuTokenRequest): Promise<SfuToken> => {
  const { serviceUrl, roomId, userId, deviceId } = request;
  const openId = await homeserver.request({
    method: "POST",
    path: matrixPath("client/v3", "user", userId, "openid", "request_token"),
    body: {},
    as: { userId },
  });
  // Exactly these fields: the service refuses a body with any other (matrixrtc.md section 2).
  const body = { room: roomId, openid_token: openIdSchema.parse(openId), device_id: deviceId };
  const { status, answer } = await post(serviceUrl, body);
  if (status < 200 || status > 299) {
    const { errcode = "", error = "" } = errorSchema.safeParse(answer).data ?? {};
    throw refused(serviceUrl, `answered ${status} ${errcode} ${error}`.trim(), status >= 500 || status === 429);
  }
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) throw refused(serviceUrl, "answered without url and jwt");
  const identity = plainIdentity(userId, deviceId);
  // With any other identity Element Call would never play the phone (matrixrtc.md section 0).
  if (subjectOf(parsed.data.jwt) !== identity) {
    throw refused(serviceUrl, "gave a token for another LiveKit identity than user:device");
  }
  return { sfuUrl: parsed.data.url, token: parsed.data.jwt, identity };
};
