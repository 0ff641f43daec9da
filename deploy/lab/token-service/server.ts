// oxlint-disable oxc/no-async-endpoint-handlers -- Express 5 passes a rejected handler to the error handler.
import express, { type ErrorRequestHandler, type Express } from "express";
import { AccessToken, RoomServiceClient } from "livekit-server-sdk";
import { z } from "zod";

import { hashedIdentity, livekitRoomName, plainIdentity, ROOM_SLOT } from "./identity.ts";

// The lab's stand-in for lk-jwt-service 0.5.0 (which cannot be installed with a package manager): MSC4195's two ways to
// change a Matrix OpenID token into a LiveKit token. Same names, checks, grants and error codes.

export interface TokenServiceOptions {
  /** What clients are told to connect to. */
  livekitUrl: string;
  livekitKey: string;
  livekitSecret: string;
  /** Homeservers whose users may open rooms; users of others are refused (the lab has no guests). */
  homeservers: string[];
}

const openIdToken = z.strictObject({
  access_token: z.string().min(1),
  token_type: z.string(),
  matrix_server_name: z.string().min(1),
  expires_in: z.number(),
});
// Unknown fields are refused as in lk-jwt-service: a client that sends one must be found in the lab, not in production.
const sfuGetBody = z.strictObject({ room: z.string().min(1), openid_token: openIdToken, device_id: z.string().min(1) });
const getTokenBody = z.strictObject({
  room_id: z.string().min(1),
  slot_id: z.string().min(1),
  openid_token: openIdToken,
  member: z.strictObject({
    id: z.string().min(1),
    claimed_user_id: z.string().min(1),
    claimed_device_id: z.string().min(1),
  }),
  // Version 0.5.0 parses these (a delayed leave for it to send) and does nothing with them.
  delay_id: z.string().optional(),
  delay_timeout: z.number().optional(),
  delay_cs_api_url: z.string().optional(),
});
type OpenIdToken = z.infer<typeof openIdToken>;

class Refusal extends Error {
  readonly status: number;
  readonly errcode: string;
  constructor(status: number, errcode: string, message: string) {
    super(message);
    this.status = status;
    this.errcode = errcode;
  }
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new Refusal(400, "M_BAD_JSON", z.prettifyError(result.error));
}

/** The user the homeserver says the token belongs to (federation API, OpenID userinfo). */
async function subjectOf(token: OpenIdToken, homeservers: string[]): Promise<string> {
  // Also keeps a client from making us connect to an address of its choice.
  if (!homeservers.includes(token.matrix_server_name)) {
    throw new Refusal(401, "M_UNAUTHORIZED", "the homeserver of the OpenID token is not served here");
  }
  const url = new URL(`https://${token.matrix_server_name}/_matrix/federation/v1/openid/userinfo`);
  url.searchParams.set("access_token", token.access_token);
  const response = await fetch(url).catch(() => undefined);
  if (response === undefined) throw new Refusal(500, "M_LOOKUP_FAILED", "the homeserver did not answer");
  const userinfo = z.object({ sub: z.string() }).safeParse(await response.json().catch(() => undefined));
  if (!response.ok || !userinfo.success) {
    throw new Refusal(401, "M_UNAUTHORIZED", "the homeserver does not know the OpenID token");
  }
  if (!userinfo.data.sub.endsWith(`:${token.matrix_server_name}`)) {
    throw new Refusal(401, "M_UNAUTHORIZED", "the user of the OpenID token is not of that homeserver");
  }
  return userinfo.data.sub;
}

/** The HTTP application; the caller listens. */
export function createTokenService(options: TokenServiceOptions): Express {
  const { livekitUrl, livekitKey, livekitSecret, homeservers } = options;
  const rooms = new RoomServiceClient(livekitUrl.replace(/^ws/, "http"), livekitKey, livekitSecret);

  const issue = async (identity: string, room: string) => {
    await rooms.createRoom({ name: room, emptyTimeout: 300, departureTimeout: 20 });
    const token = new AccessToken(livekitKey, livekitSecret, { identity, ttl: "1h" });
    token.addGrant({
      room,
      roomJoin: true,
      roomCreate: false,
      canPublish: true,
      canSubscribe: true,
      canUpdateOwnMetadata: true,
    });
    return { url: livekitUrl, jwt: await token.toJwt() };
  };

  const app = express();
  app.disable("x-powered-by");
  app.use((request, response, next) => {
    response.set({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "POST, OPTIONS",
      "access-control-allow-headers": "accept, content-type, content-length, accept-encoding, x-csrf-token",
    });
    if (request.method === "OPTIONS") response.end();
    else next();
  });
  app.use(express.json({ type: () => true }));
  app.get("/healthz", (_request, response) => {
    response.end();
  });
  app.post("/sfu/get", async (request, response) => {
    const body = parse(sfuGetBody, request.body);
    const userId = await subjectOf(body.openid_token, homeservers);
    response.json(await issue(plainIdentity(userId, body.device_id), livekitRoomName(body.room, ROOM_SLOT)));
  });
  app.post("/get_token", async (request, response) => {
    const { room_id, slot_id, openid_token, member } = parse(getTokenBody, request.body);
    const userId = await subjectOf(openid_token, homeservers);
    if (userId !== member.claimed_user_id) {
      throw new Refusal(401, "M_UNAUTHORIZED", "claimed_user_id is not the user of the OpenID token");
    }
    const identity = hashedIdentity(userId, member.claimed_device_id, member.id);
    response.json(await issue(identity, livekitRoomName(room_id, slot_id)));
  });
  app.use(refuse);
  return app;
}

const refuse: ErrorRequestHandler = (error, request, response, _next) => {
  const refusal =
    error instanceof Refusal
      ? error
      : // body-parser's errors carry a status; anything else is LiveKit not answering.
        (error as { status?: number }).status === 400
        ? new Refusal(400, "M_NOT_JSON", "the body is not JSON")
        : new Refusal(500, "M_UNKNOWN", "LiveKit did not make the room");
  console.error(`${request.path} refused: ${refusal.status} ${refusal.errcode} ${refusal.message}`);
  response.status(refusal.status).json({ errcode: refusal.errcode, error: refusal.message });
};
