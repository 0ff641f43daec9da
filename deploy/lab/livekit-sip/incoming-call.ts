/** One call that comes to the stand-in: trunk and rule, 180, the room while it rings, 200 on the first audio track, audio. */
import type { SIPDispatchRuleInfo, SIPInboundTrunkInfo } from "livekit-server-sdk";
import { type Dispatch, evaluate, type InboundCall, matchRule, matchTrunk } from "./dispatch.ts";
import { joinRoomSide, type RoomSide } from "./room-side.ts";
import { createRtpLeg, offeredPayloadType, type RtpLeg } from "./rtp.ts";
import { header, uriOf } from "./sip-message.ts";
import type { IncomingInvite } from "./sip-uas.ts";
import { talk, waitForRtp } from "./talk.ts";

/** `sip_ringing_interval`. */
const RINGING_INTERVAL_MS = 1000;
const DEFAULT_RINGING_MS = 180_000;
const DEFAULT_DURATION_MS = 86_400_000;

export interface IncomingDeps {
  readonly host: string;
  readonly wsUrl: string;
  /** What livekit-server has. */
  readonly list: () => Promise<{
    readonly trunks: readonly SIPInboundTrunkInfo[];
    readonly rules: readonly SIPDispatchRuleInfo[];
  }>;
  readonly tokenFor: (dispatch: Dispatch) => Promise<string>;
}

const userAndHost = (uri: string): { user: string; host: string } => {
  const [, user = "", host = ""] = /^sips?:(?:([^@]*)@)?([^:;>]*)/.exec(uri) ?? [];
  return { user, host };
};

const milliseconds = (duration: SIPInboundTrunkInfo["ringingTimeout"], otherwise: number): number =>
  duration === undefined || duration.seconds === 0n ? otherwise : Number(duration.seconds) * 1000;

const headerAttributes = (
  trunk: SIPInboundTrunkInfo | undefined,
  { message }: IncomingInvite,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(trunk?.headersToAttributes ?? {})
      .map(([name, attribute]): [string, string] => [attribute, header(message, name.toLowerCase())])
      .filter(([, value]) => value !== ""),
  );

/** `answered` when the room has an audio track; `gone` when room or caller are, or nobody answered in time. */
const awaitAnswer = async (invite: IncomingInvite, side: RoomSide, ringingMs: number): Promise<"answered" | "gone"> => {
  const ringing = setInterval(() => invite.ring(), RINGING_INTERVAL_MS);
  const { promise: ringOut, resolve } = Promise.withResolvers<"gone">();
  const timer = setTimeout(() => resolve("gone"), ringingMs);
  const first = await Promise.race([
    side.audible.then(() => "answered" as const),
    side.closed.then(() => "gone" as const),
    invite.ended.then(() => "gone" as const),
    ringOut,
  ]);
  clearInterval(ringing);
  clearTimeout(timer);
  return first;
};

const connect = async (
  invite: IncomingInvite,
  { side, rtp, ringingMs, maxDurationMs }: { side: RoomSide; rtp: RtpLeg; ringingMs: number; maxDurationMs: number },
): Promise<void> => {
  // Whatever the reason is: livekit-sip knows no other status than 486.
  if ((await awaitAnswer(invite, side, ringingMs)) === "gone") return invite.refuse("486 Busy Here");
  await invite.accept(rtp.sdp);
  await waitForRtp(rtp);
  side.setStatus("active");
  await talk(invite, { side, rtp, maxDurationMs });
};

/** Resolves when the call is over. */
export const takeCall = async (
  invite: IncomingInvite,
  { host, wsUrl, list, tokenFor }: IncomingDeps,
): Promise<void> => {
  const { message, sourceAddress } = invite;
  const from = userAndHost(uriOf(header(message, "from")));
  const call: InboundCall = { sourceAddress, from, called: userAndHost(uriOf(header(message, "to"))).user };
  const { trunks, rules } = await list();
  const trunk = matchTrunk(trunks, call);
  const rule = matchRule(rules, trunk, call);
  // As with `hide_inbound_port`: who calls without trunk or rule gets no answer at all (facts: livekit.md section 2).
  if (rule === undefined) return console.log("flood: no trunk and rule for a call");
  invite.ring();
  const payloadType = offeredPayloadType(message.body);
  if (payloadType === undefined) return invite.refuse("400 Bad Request");

  const dispatch = evaluate(rule, trunk, call);
  const attributes = {
    ...dispatch.attributes,
    ...headerAttributes(trunk, invite),
    "sip.callID": `SCL_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`,
    "sip.callIDFull": header(message, "call-id"),
    "sip.callStatus": "ringing",
  };
  const side = await joinRoomSide(wsUrl, await tokenFor({ ...dispatch, attributes }));
  const rtp = await createRtpLeg(
    host,
    { onSamples: (samples) => side.play(samples), onKey: (key, code) => void side.publishKey(code, key) },
    [payloadType],
  );
  rtp.connect(message.body);
  await connect(invite, {
    side,
    rtp,
    ringingMs: milliseconds(trunk?.ringingTimeout, DEFAULT_RINGING_MS),
    maxDurationMs: milliseconds(trunk?.maxCallDuration, DEFAULT_DURATION_MS),
  });
  rtp.close();
  await side.leave();
};
