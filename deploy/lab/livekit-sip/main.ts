/**
 * Stand-in for livekit-sip, used when the real one is not found (LIVEKIT_SIP_BIN or PATH).
 *
 * It stands in front of the real livekit-server: `livekit.SIP/CreateSIPParticipant` and `TransferSIPParticipant` are answered here,
 * everything else (rooms, trunks, rules, signalling) is passed on. Calls to it are led by the trunks and rules of that server. A call is a real SIP call to the PBX and a real participant
 * in a real room. Attributes, order and refusals are those of livekit-sip 1.11 as far as they were measured.
 * Configuration: one JSON object as the first argument.
 */
import { createServer } from "node:http";
import { SIPTransport } from "@livekit/protocol";
import { AccessToken, SipClient, TokenVerifier } from "livekit-server-sdk";
import { z } from "zod";
import type { Dispatch } from "./dispatch.ts";
import { takeCall } from "./incoming-call.ts";
import { proxyHttp, proxyUpgrade, readBody } from "./proxy.ts";
import { type SipCall, startSipCall } from "./sip-call.ts";
import { createSipUa, SipFailure } from "./sip-ua.ts";
import { type TwirpError, twirpErrorOfStatus } from "./twirp.ts";

const configuration = z
  .strictObject({
    host: z.string(),
    listenPort: z.int(),
    sipPort: z.int(),
    livekitUrl: z.url(),
    apiKey: z.string(),
    apiSecret: z.string(),
    /** Answer every dial as livekit-sip does above `max_cpu_utilization`. */
    cpuExhausted: z.boolean().default(false),
  })
  .parse(JSON.parse(process.argv[2] ?? "{}"));
const { host, livekitUrl, apiKey, apiSecret } = configuration;

/** Durations are JSON strings such as `30s` in protobuf JSON. */
const seconds = z
  .string()
  .regex(/^\d+(\.\d+)?s$/)
  .transform((text) => Number.parseFloat(text) * 1000);
const createRequest = z.object({
  sipTrunkId: z.string(),
  sipCallTo: z.string(),
  sipNumber: z.string().default(""),
  roomName: z.string(),
  participantIdentity: z.string().default(""),
  participantName: z.string().default(""),
  displayName: z.string().optional(),
  headers: z.record(z.string(), z.string()).default({}),
  ringingTimeout: seconds.default(180_000),
  maxCallDuration: seconds.default(86_400_000),
  waitUntilAnswered: z.boolean().default(false),
});
const transferRequest = z.object({ participantIdentity: z.string(), roomName: z.string(), transferTo: z.string() });

const sip = new SipClient(livekitUrl, apiKey, apiSecret);
const verifier = new TokenVerifier(apiKey, apiSecret);
const wsUrl = livekitUrl.replace(/^http/, "ws");
const calls = new Map<string, SipCall>();

const refuse = (code: TwirpError["code"], msg: string): TwirpError => ({ code, msg });

const participantToken = ({ identity, name, room, attributes, roomConfig }: Dispatch) => {
  const token = new AccessToken(apiKey, apiSecret, { identity, name, attributes: { ...attributes } });
  token.kind = "sip";
  if (roomConfig !== undefined) token.roomConfig = roomConfig;
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canUpdateOwnMetadata: true });
  return token.toJwt();
};

const ua = await createSipUa(host, configuration.sipPort, (invite) => {
  takeCall(invite, {
    host,
    wsUrl,
    list: async () => {
      const [trunks, rules] = await Promise.all([sip.listSipInboundTrunk(), sip.listSipDispatchRule()]);
      return { trunks, rules };
    },
    tokenFor: participantToken,
  }).catch((error: unknown) => {
    console.error("a call failed", error);
    invite.refuse("486 Busy Here");
    invite.bye();
  });
});

const create = async (body: unknown): Promise<Record<string, string>> => {
  if (configuration.cpuExhausted) throw refuse("unavailable", "cpu exhausted");
  const request = createRequest.parse(body);
  const trunk = (await sip.listSipOutboundTrunk()).find(({ sipTrunkId }) => sipTrunkId === request.sipTrunkId);
  if (trunk === undefined) throw refuse("not_found", "requested sip trunk does not exist");
  if (trunk.transport !== SIPTransport.SIP_TRANSPORT_UDP) throw refuse("unimplemented", "the stand-in speaks UDP only");
  const [peerHost = "", peerPort = "5060"] = trunk.address.split(":");
  const from = request.sipNumber === "" ? (trunk.numbers[0] ?? "") : request.sipNumber;
  const identity = request.participantIdentity === "" ? `sip_${request.sipCallTo}` : request.participantIdentity;
  const sipCallId = `SCL_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const attributes = {
    "sip.callID": sipCallId,
    "sip.callStatus": "dialing",
    "sip.trunkID": trunk.sipTrunkId,
    "sip.phoneNumber": request.sipCallTo,
    "sip.trunkPhoneNumber": from,
    "sip.hostname": trunk.address,
  };
  const call = await startSipCall(ua, {
    host,
    room: {
      url: wsUrl,
      token: await participantToken({ identity, name: request.participantName, room: request.roomName, attributes }),
    },
    peer: { host: peerHost, port: Number(peerPort) },
    user: request.sipCallTo,
    from: { user: from, displayName: request.displayName ?? from },
    headers: request.headers,
    ringTimeoutMs: request.ringingTimeout,
    maxDurationMs: request.maxCallDuration,
  });
  const key = `${request.roomName}/${identity}`;
  calls.set(key, call);
  void call.ended.then(() => calls.delete(key));
  if (request.waitUntilAnswered) await call.answered;
  else call.answered.catch(() => {});
  return { participantId: "", participantIdentity: identity, roomName: request.roomName, sipCallId };
};

const transfer = async (body: unknown): Promise<Record<string, string>> => {
  const request = transferRequest.parse(body);
  const dialog = calls.get(`${request.roomName}/${request.participantIdentity}`)?.dialog();
  if (dialog === undefined) throw refuse("not_found", "participant does not exist");
  const status = await dialog.refer(request.transferTo);
  if (status >= 300) throw new SipFailure(status, "transfer refused");
  // livekit-sip sends its BYE one second after the transfer's success.
  setTimeout(() => dialog.bye(), 1000);
  return {};
};

const METHODS: Readonly<Record<string, (body: unknown) => Promise<Record<string, string>>>> = {
  "/twirp/livekit.SIP/CreateSIPParticipant": create,
  "/twirp/livekit.SIP/TransferSIPParticipant": transfer,
};

const errorOf = (error: unknown): TwirpError => {
  if (error instanceof SipFailure) return twirpErrorOfStatus(error.status, error.reason);
  if (error instanceof z.ZodError) return refuse("malformed", z.prettifyError(error));
  if (typeof error === "object" && error !== null && "code" in error && "msg" in error) return error as TwirpError;
  return refuse("internal", String(error));
};

const authorized = async (authorization: string | undefined): Promise<boolean> => {
  try {
    const claims = await verifier.verify((authorization ?? "").replace(/^Bearer /, ""));
    return claims.sip?.call === true;
  } catch {
    return false;
  }
};

const server = createServer((request, response) => {
  const method = METHODS[request.url ?? ""];
  if (method === undefined) return proxyHttp(livekitUrl, request, response);
  const answer = async (): Promise<[number, unknown]> => {
    if (!(await authorized(request.headers.authorization)))
      return [401, refuse("unauthenticated", "permissions denied")];
    try {
      return [200, await method(JSON.parse(await readBody(request)))];
    } catch (error) {
      return [503, errorOf(error)];
    }
  };
  void answer().then(([status, body]) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
});
server.on("upgrade", (request, socket, head) => proxyUpgrade(livekitUrl, request, socket, head));
server.listen(configuration.listenPort, host, () => console.log("livekit-sip stand-in ready"));
process.on("SIGTERM", () => process.exit(0));
