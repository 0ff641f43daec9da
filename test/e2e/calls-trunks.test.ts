// The trunks to a PBX as shipped (logging in, TLS with SRTP), how numbers and callers are written on each, and which trunk is tried next.
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { allHear, memberEar, outsideEar, phoneEar } from "../support/e2e/audio.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";

const TIMEOUT_MS = 90_000;
/** Rings, then 503: the PBX has taken the call, so no other trunk may be tried. Added to the lab's PBX here. */
const UNAVAILABLE_AFTER_RINGING = "+33199000581";

/** One trunk per prefix, so that the number chooses what is tested. */
const trunk = (name: string, endpoint: string, prefix: string, more: Record<string, unknown> = {}) => ({
  name,
  engine: "asterisk",
  asterisk: { endpoint },
  routes: [{ prefix }],
  caller_id: { default: "+33140506000" },
  ...more,
});

const FALLBACK_CALLER = "+33140506009";
const TRUNKS = [
  trunk("registered", "xivo-registered", OUTSIDE_NUMBERS.ringsOneSecond),
  trunk("tls", "xivo-tls", OUTSIDE_NUMBERS.answersAtOnce),
  trunk("e164", "xivo", "+33140506071", { dial_format: "e164" }),
  trunk("without-plus", "xivo", "+33140506072", { dial_format: "without-plus", caller_id: { default: "1009" } }),
  trunk("national", "xivo", "+33140506073", { dial_format: "national" }),
  trunk("outside-line", "xivo", "+33140506074", {
    dial_format: { prefix: "0" },
    caller_id: { default: "anonymous" },
  }),
  trunk("desks", "xivo", "1001", { dial_format: { prefix: "0" } }),
  trunk("nowhere", "nowhere", "+33140506075"),
  trunk("unknown", "no-such-endpoint", "+33140506076"),
  trunk("busy", "xivo", OUTSIDE_NUMBERS.busy),
  trunk("unavailable", "xivo", OUTSIDE_NUMBERS.unavailable),
  trunk("unavailable-later", "xivo", UNAVAILABLE_AFTER_RINGING),
  trunk("fallback", "xivo", "+33", { caller_id: { default: FALLBACK_CALLER } }),
];

let scene: Scene;
let roomId: string;
let atAlice: LabMemberProcess;

beforeAll(async () => {
  scene = await startScene({ config: { trunks: TRUNKS } });
  const { lab, alice } = scene;
  await lab.pbx.cli("pjsip set logger on");
  const dialplan = ["1,Ringing()", "2,Wait(0.3)", "3,PJSIPHangup(503)"];
  for (const step of dialplan) {
    await lab.pbx.cli(`dialplan add extension ${UNAVAILABLE_AFTER_RINGING},${step} into world`);
  }
  await addEndpointNowhere();
  roomId = await scene.createRoom({ encrypted: true });
  atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
}, 600_000);
afterEach(() => scene.reset());
afterAll(async () => {
  await atAlice?.leave();
  await scene?.stop();
});

/** An endpoint of the gateway's Asterisk whose PBX refuses connections. */
const addEndpointNowhere = async (): Promise<void> => {
  // Of this lab and not in use here: on a port that is free by chance somebody may listen later.
  const port = scene.lab.ports.livekitSip;
  const section = `
[nowhere]
type=endpoint
transport=transport-tls
aors=nowhere-aor
context=from-trunk
disallow=all
allow=alaw
[nowhere-aor]
type=aor
contact=sip:127.0.0.3:${port}\\;transport=tls
`;
  await appendFile(join(scene.lab.folder, "trunk-peer/etc/pjsip.conf"), section);
  await scene.lab.trunkPeer.cli("module reload res_pjsip.so");
};

/** Every INVITE that reached the PBX for a user part, in order. */
const invites = async (user: string): Promise<string[]> => {
  const messages = (await readFile(scene.lab.log("pbx"), "utf8")).split(/^<--- /m);
  return messages.filter(
    (message) => message.startsWith("Received SIP request") && message.includes(`\nINVITE sip:${user}@`),
  );
};

const callsTo = async (number: string): Promise<string[]> =>
  (await scene.lab.pbx.calls()).filter((call) => call.number === number).map(({ from }) => from);

/** Adds an outside number by the API and has it talk; hangs up after `during`. */
const talkTo = async (number: string, during: () => Promise<void>): Promise<void> => {
  const { lab } = scene;
  const { call_id: callId } = await scene.addByApi(roomId, number);
  await allHear([
    [memberEar(atAlice, lab.gateway.ghost(number)), TONES_HZ.outside],
    [outsideEar(lab.pbx, number), TONES_HZ.alice],
  ]);
  await during();
  await lab.gateway.api("DELETE", `/api/v1/calls/${callId}`);
  await scene.waitForEnd(callId);
};

const channelsOfPbx = async (): Promise<string> => scene.lab.pbx.cli("core show channels concise");

test(
  "a trunk that logs in (REGISTER, digest) carries a call",
  async () => {
    const number = OUTSIDE_NUMBERS.ringsOneSecond;
    await talkTo(number, async () => {
      expect(await channelsOfPbx()).toMatch(/^PJSIP\/matrix-gateway-[0-9a-f]+!/m);
    });
    // Challenged once, then with the digest; the caller is in P-Asserted-Identity, as From names the account.
    const [first, second] = await invites(number);
    expect(first).not.toContain("\nAuthorization: Digest");
    expect(second).toContain("\nAuthorization: Digest");
    expect(second).toContain("<sip:matrix-gateway@");
    expect(await callsTo(number)).toEqual(["+33140506000"]);
  },
  TIMEOUT_MS,
);

test(
  "a trunk over TLS with SRTP carries a call",
  async () => {
    const number = OUTSIDE_NUMBERS.answersAtOnce;
    await talkTo(number, async () => {
      expect(await channelsOfPbx()).toMatch(/^PJSIP\/matrix-gateway-tls-[0-9a-f]+!/m);
    });
    const [invite] = await invites(number);
    expect(invite).toMatch(/^Received SIP request \(\d+ bytes\) from TLS:127\.0\.0\.2:/);
    expect(invite).toMatch(/\nm=audio \d+ RTP\/SAVP /);
    expect(invite).toContain("\na=crypto:");
    expect(await callsTo(number)).toEqual(["+33140506000"]);
  },
  TIMEOUT_MS,
);

const formats = [
  { format: "e164", number: "+33140506071", user: "+33140506071", from: "+33140506000" },
  { format: "without-plus", number: "+33140506072", user: "33140506072", from: "1009" },
  { format: "national", number: "+33140506073", user: "0140506073", from: "+33140506000" },
  { format: "prefix 0", number: "+33140506074", user: "00140506074", from: "anonymous" },
];

test.each(formats)(
  "dial_format $format: the PBX is asked for $user, the caller is $from",
  async ({ number, user, from }) => {
    const { call_id: callId } = await scene.addByApi(roomId, number);
    await scene.waitForState(roomId, "active");
    await scene.lab.gateway.api("DELETE", `/api/v1/calls/${callId}`);
    await scene.waitForEnd(callId);
    const found = await invites(user);
    expect(found).toHaveLength(1);
    expect(await callsTo(number)).toEqual([from === "anonymous" ? "anonymous" : from]);
    if (from !== "anonymous") return;
    expect(found[0]).toContain("\nPrivacy: id");
    expect(found[0]).not.toContain("P-Asserted-Identity");
  },
  TIMEOUT_MS,
);

test(
  "an extension is dialled as it is on any trunk, and its phone sees the caller id",
  async () => {
    const phone = scene.lab.phones["1001"];
    phone.answerMode = "auto";
    await atAlice.sendMessage("!phone add 1001");
    await allHear([
      [memberEar(atAlice, scene.lab.gateway.ghost("1001")), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    expect(await invites("1001")).toHaveLength(1);
    expect(await callsTo("1001")).toEqual(["+33140506000"]);
    await phone.hangup();
    await scene.waitForState(roomId, "ended");
  },
  TIMEOUT_MS,
);

const elsewhere = [
  { why: "refuses connections", number: "+33140506075" },
  { why: "is not known to Asterisk", number: "+33140506076" },
];

test.each(elsewhere)(
  "the next trunk is tried when the PBX of the first $why",
  async ({ number }) => {
    await talkTo(number, async () => {});
    expect(await callsTo(number)).toEqual([FALLBACK_CALLER]);
  },
  TIMEOUT_MS,
);

test(
  "the next trunk is tried after 503 before any ringing",
  async () => {
    const number = OUTSIDE_NUMBERS.unavailable;
    const { call_id: callId } = await scene.addByApi(roomId, number);
    expect(await scene.waitForEnd(callId)).toMatchObject({ outcome: "trunk-failed", cause: { sip_status: 503 } });
    // Both trunks lead to the same PBX, which refuses both.
    expect(await callsTo(number)).toEqual(["+33140506000", FALLBACK_CALLER]);
  },
  TIMEOUT_MS,
);

const final = [
  { why: "busy", number: OUTSIDE_NUMBERS.busy, outcome: "busy", status: 486 },
  { why: "503 after ringing", number: UNAVAILABLE_AFTER_RINGING, outcome: "trunk-failed", status: 503 },
];

test.each(final)(
  "no other trunk is tried after $why",
  async ({ number, outcome, status }) => {
    const { call_id: callId } = await scene.addByApi(roomId, number);
    expect(await scene.waitForEnd(callId)).toMatchObject({ outcome, cause: { sip_status: status } });
    expect(await callsTo(number)).toEqual(["+33140506000"]);
  },
  TIMEOUT_MS,
);
