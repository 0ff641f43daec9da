// INVITEs as no PBX ought to send them, straight to the gateway's Asterisk: each ends, and leaves nothing.
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { createRtpLeg, SAMPLES_PER_FRAME } from "../../../deploy/lab/livekit-sip/rtp.ts";
import { createSipUa, type Dialog, SipFailure, type SipUa } from "../../../deploy/lab/livekit-sip/sip-ua.ts";
import { freeUdpPort } from "../../../deploy/lab/ports.ts";
import { identify } from "../../../src/calls/caller.ts";
import type { IncomingCall, LegFact } from "../../../src/calls/ports.ts";
import type { Trunk } from "../../../src/calls/trunk.ts";
import { trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { connectAudio, expectNothingHeld, recordingLog } from "./asterisk-support.ts";

jest.setTimeout(20_000);

/** The address by which the trunk "direct" knows its PBX. */
const PBX_HOST = "127.0.0.4";
const STRANGER_HOST = "127.0.0.5";
const DIRECT = `
[direct]
type=endpoint
transport=transport-udp
context=from-trunk
disallow=all
allow=alaw,ulaw
aors=direct
trust_id_inbound=yes
rtp_timeout=2
[direct]
type=aor
contact=sip:${PBX_HOST}
[direct-identify]
type=identify
endpoint=direct
match=${PBX_HOST}
`;
const TRUNK: Trunk = {
  id: trunkId("direct"),
  engine: "asterisk",
  routes: [],
  dialFormat: "e164",
  callerId: { default: { kind: "anonymous" } },
  inbound: { country: "FR", isTrusted: true, showsExternalCallers: false },
};

const { log } = recordingLog();
let lab: Lab;
let engine: AsteriskEngine;
let pbx: SipUa;
let stranger: SipUa;
let onCall: (call: IncomingCall) => void = () => {};
const seen: IncomingCall[] = [];

beforeAll(async () => {
  lab = await startLab({ parts: ["trunk-peer"] });
  await appendFile(join(lab.folder, "trunk-peer/etc/pjsip.conf"), DIRECT);
  await lab.trunkPeer.cli("module reload res_pjsip.so");
  await lab.trunkPeer.cli("module reload res_pjsip_endpoint_identifier_ip.so");
  engine = createAsteriskEngine(
    {
      url: lab.trunkPeer.ariUrl,
      username: lab.trunkPeer.ariUser,
      password: lab.trunkPeer.ariPassword,
      app: "mrtc-sip-gateway",
      allowInsecure: false,
      trunks: new Map(["direct", "xivo"].map((name) => [trunkId(name), { endpoint: name }])),
    },
    log,
  );
  engine.onIncoming((call) => {
    seen.push(call);
    onCall(call);
  });
  await engine.ready();
  pbx = await createSipUa(PBX_HOST, await freeUdpPort());
  stranger = await createSipUa(STRANGER_HOST, await freeUdpPort());
}, 600_000);

afterAll(async () => {
  pbx?.close();
  stranger?.close();
  engine?.close();
  await lab?.stop();
});

afterEach(async () => {
  onCall = () => {};
  seen.length = 0;
  await expectNothingHeld(lab.trunkPeer);
});

const sdpOf = (host: string, type: number, codec: string): string =>
  `v=0\r\no=- 1 1 IN IP4 ${host}\r\ns=-\r\nc=IN IP4 ${host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP ${type}\r\na=rtpmap:${type} ${codec}/8000\r\n`;

interface Invite {
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sdp?: string;
  readonly signal?: AbortSignal;
}

const invite = (ua: SipUa, { from = "1001", headers = {}, sdp, signal }: Invite = {}): Promise<Dialog> =>
  ua.invite({
    user: "8500",
    peer: { host: "127.0.0.1", port: lab.ports.trunkPeerSip },
    from: { user: from },
    headers,
    sdp: sdp ?? sdpOf(ua === pbx ? PBX_HOST : STRANGER_HOST, 8, "PCMA"),
    ringTimeoutMs: 15_000,
    onRinging: () => {},
    signal: signal ?? new AbortController().signal,
  });

/** The status that the INVITE ends with. */
const refusalOf = async (invited: Promise<Dialog>): Promise<number> => {
  try {
    (await invited).bye();
    return 200;
  } catch (error) {
    if (error instanceof SipFailure) return error.status;
    throw error;
  }
};

const nextCall = (): Promise<IncomingCall> =>
  new Promise((resolve) => {
    onCall = resolve;
  });

const accept = (call: IncomingCall) => {
  const ready = Promise.withResolvers<Extract<LegFact, { type: "leg.mediaReady" }>>();
  const ended = Promise.withResolvers<Extract<LegFact, { type: "leg.ended" }>>();
  engine.accept({ legId: call.legId, maxDurationMs: 60_000 }, (fact) => {
    if (fact.type === "leg.mediaReady") ready.resolve(fact);
    if (fact.type === "leg.ended") ended.resolve(fact);
  });
  return { ready: ready.promise, ended: ended.promise };
};

test.each(["1001", "xivo", "direct"])("from an unknown address, as %s: not let in", async (from) => {
  const headers = { "P-Asserted-Identity": "<sip:1001@127.0.0.1>" };
  expect(await refusalOf(invite(stranger, { from, headers }))).toBe(401);
  expect(seen).toEqual([]);
});

describe("broken caller ids", () => {
  test.each([
    ["empty", ""],
    ["no address at all", ";;;"],
    ["300 digits", `<sip:${"9".repeat(300)}@${PBX_HOST}>`],
    ["a name of 300 characters", `"${"x".repeat(300)}" <sip:anonymous@anonymous.invalid>`],
    ["SQL", `"'; DROP TABLE calls; --" <sip:1'%20OR%20'1'='1@${PBX_HOST}>`],
    ["control characters", `"\u0001\u001b[31m" <sip:%00%1b@${PBX_HOST}>`],
    ["emoji", `"☎️📞" <sip:📞@${PBX_HOST}>`],
  ])("%s: a call of somebody without a number", async (_, identity) => {
    onCall = (call) => void engine.hangup(call.legId, "busy");
    const invited = invite(pbx, { from: "anonymous", headers: { "P-Asserted-Identity": identity } });
    expect(await refusalOf(invited)).toBe(486);
    const [call] = seen;
    const names = { nameOf: () => undefined, mask: () => "abcdefghijkl" };
    const plan = { country: "FR", extensionPatterns: ["1XXX"] };
    expect(identify(call!.caller, TRUNK, plan, { serverName: "example.org", names })).toMatchObject({
      ghost: "@tel_anonymous:example.org",
      name: "Anonymous caller",
    });
  });
});

test("with no codec that we have: 488, and nobody hears of it", async () => {
  expect(await refusalOf(invite(pbx, { sdp: sdpOf(PBX_HOST, 3, "GSM") }))).toBe(488);
  expect(seen).toEqual([]);
});

test.each(["before it is taken", "when its audio is attached", "while it is answered"])(
  "cancelled %s",
  async (when) => {
    const giveUp = new AbortController();
    const coming = nextCall();
    const invited = refusalOf(invite(pbx, { signal: giveUp.signal }));
    const call = await coming;
    if (when === "before it is taken") giveUp.abort();
    const leg = accept(call);
    if (when !== "before it is taken") {
      const audio = await connectAudio((await leg.ready).media, 520);
      const answering = when === "while it is answered" ? engine.answer(call.legId).catch(() => {}) : undefined;
      giveUp.abort();
      await answering;
      await audio.closed();
    }
    expect([200, 487]).toContain(await invited);
    expect(["cancelled", "completed"]).toContain((await leg.ended).outcome);
  },
);

test.each([
  ["no audio ever comes", 0],
  ["audio stops", 25],
])("answered, and %s: hung up by the trunk's rtp_timeout", async (_, frames) => {
  const rtp = await createRtpLeg(PBX_HOST, { onSamples: () => {}, onKey: () => {} }, [8]);
  const coming = nextCall();
  const invited = invite(pbx, { sdp: rtp.sdp });
  const call = await coming;
  const leg = accept(call);
  const audio = await connectAudio((await leg.ready).media, 520);
  await engine.answer(call.legId);
  const dialog = await invited;
  rtp.connect(dialog.remoteSdp);
  for (let i = 0; i < frames; i++) {
    rtp.send(new Int16Array(SAMPLES_PER_FRAME));
    await delay(20);
  }
  expect(await dialog.ended).toBe("remote");
  expect(await leg.ended).toMatchObject({ outcome: "completed" });
  await audio.closed();
  rtp.close();
});
