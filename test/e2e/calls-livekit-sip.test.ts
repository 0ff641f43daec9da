// The livekit-sip engine: the real livekit-sip where it is found (LIVEKIT_SIP_BIN or PATH), else the lab's stand-in in front of the
// real livekit-server. Which of the two ran is printed.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { ListUpdate } from "@livekit/protocol";
import { SipClient } from "livekit-server-sdk";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import { turnOnDialIn } from "../../deploy/lab/dial-in.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { allHear, memberEar, outsideEar, phoneEar } from "../support/e2e/audio.ts";
import { dialUntilItRings, untilMuted } from "../support/e2e/dialin.ts";
import { leftOf, legRooms } from "../support/e2e/leftovers.ts";
import { killWorkerWithCall } from "../support/e2e/processes.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";

const TIMEOUT_MS = 90_000;
/** 480 Temporarily Unavailable, as a PBX answers for a phone that is switched off. Added to the lab's PBX here. */
const UNREACHABLE = "+33199000480";

/** Dialled by 1001: a room, and the menu. */
const ROOM_NUMBER = "8500";
const MENU_NUMBER = "8560";

const OUR_SIP_TRUNK = "mrtc-sip-gateway:livekit-sip";

let scene: Scene;
/** Where dialling 8500 leads to. */
let dialledRoom: string;
/** A plain room with alice in the call, for the calls that nobody answers. */
let plainRoom: string;
let inPlainRoom: LabMemberProcess;

beforeAll(async () => {
  scene = await startScene({
    trunk: "livekit-sip",
    parts: ["livekit-sip"],
    config: { calls: { ring_timeout: "7s" } },
  });
  dialledRoom = await scene.createRoom({ encrypted: true });
  await scene.lab.gateway.reconfigure({
    dispatch_rules: [{ name: "dialled", numbers: [ROOM_NUMBER], room: dialledRoom }],
    menu: { numbers: [MENU_NUMBER], language: "fr" },
  });
  await scene.lab.pbx.cli(`dialplan add extension ${UNREACHABLE},1,PJSIPHangup(480) into world`);
  plainRoom = await scene.createRoom({ encrypted: false });
  inPlainRoom = await scene.join(scene.alice, plainRoom, TONES_HZ.alice, { hears: false });
  process.stderr.write(`livekit-sip in this run: ${scene.lab.livekitSip.which}\n`);
}, 600_000);
afterEach(() => scene.reset());
afterAll(async () => {
  await inPlainRoom?.leave();
  await scene?.stop();
});

test(
  "a phone talks in an encrypted call, and nothing of it is left 2 s after it hung up",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);

    await atAlice.invite(ghost);
    await phone.waitForRinging();
    await atAlice.waitForMember(ghost);
    await phone.answer();
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    expect(await legRooms(lab)).toHaveLength(1);

    const hungUpAtMs = performance.now();
    await phone.hangup();
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs);
    await atAlice.waitForNoMember(ghost);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
  },
  TIMEOUT_MS,
);

test(
  "a call that the room hangs up ends at the phone, and nothing is left after 2 s",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1002"];
    phone.answerMode = "auto";
    const ghost = lab.gateway.ghost("1002");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);

    await atAlice.sendMessage("!phone add 1002");
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    const hungUpAtMs = performance.now();
    await atAlice.sendMessage("!phone hangup");
    await Promise.all([
      phone.waitForClosed(2000),
      scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs),
    ]);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
  },
  TIMEOUT_MS,
);

test(
  "keys from the room reach the phone, and the PBX connects it with another one when it is told to",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const other = lab.phones["1002"];
    phone.answerMode = "auto";
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await atAlice.sendMessage("!phone add 1001");
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    await atAlice.sendMessage("!phone keys 12#");
    await phone.waitForKeys("12#");

    await atAlice.sendMessage("!phone transfer 1002");
    await other.waitForRinging();
    await other.answer();
    await allHear([
      [phoneEar(phone), other.toneHz],
      [phoneEar(other), phone.toneHz],
    ]);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "transferred" });
    expect(await leftOf(lab, { roomId, ghost, witness: bob })).toEqual([]);
    await Promise.all([phone.hangup(), other.waitForClosed()]);
  },
  TIMEOUT_MS,
);

test(
  "a phone that is called and not answered in time stops ringing",
  async () => {
    const { lab, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = plainRoom;
    await inPlainRoom.invite(ghost);
    await phone.waitForRinging();
    await phone.waitForClosed(12_000);
    const closedAtMs = performance.now();
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "no-answer" });
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, closedAtMs);
    await inPlainRoom.waitForMessage("The call to 1001 ended", lab.gateway.botUserId);
  },
  TIMEOUT_MS,
);

test(
  "a call that is taken back while it rings stops ringing",
  async () => {
    const { lab, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = plainRoom;
    await inPlainRoom.invite(ghost);
    await phone.waitForRinging();
    const hungUpAtMs = performance.now();
    await inPlainRoom.sendMessage("!phone hangup");
    await Promise.all([
      phone.waitForClosed(2000),
      scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs),
    ]);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "cancelled" });
  },
  TIMEOUT_MS,
);

test(
  "a desk phone that dials a room's number is in its encrypted call, rings until then, mutes itself, and leaves nothing",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    await using atAlice = await scene.join(alice, dialledRoom, TONES_HZ.alice);
    for (const hangUp of ["phone", "room"] as const) {
      await dialUntilItRings(phone, ROOM_NUMBER);
      await phone.waitForEstablished();
      await allHear([
        [memberEar(atAlice, ghost), phone.toneHz],
        [phoneEar(phone), TONES_HZ.alice],
      ]);
      const [call] = await scene.calls(dialledRoom);
      expect(call).toMatchObject({
        state: "active",
        direction: "inbound",
        number: "1001",
        user_id: ghost,
        added_by: { type: "trunk", name: "livekit-sip" },
      });
      if (hangUp === "phone") {
        await phone.press("*6");
        await untilMuted(phone, atAlice);
        await phone.press("*6");
        await memberEar(atAlice, ghost).hear(phone.toneHz);
      }

      const hungUpAtMs = performance.now();
      if (hangUp === "phone") await phone.hangup();
      else await atAlice.sendMessage("!phone hangup 1001");
      await phone.waitForClosed();
      await scene.expectNothingLeft({ roomId: dialledRoom, ghost, witness: alice }, hungUpAtMs);
      expect(await scene.waitForEnd(call!.call_id)).toMatchObject({
        outcome: hangUp === "phone" ? "completed" : "removed",
      });
    }
  },
  TIMEOUT_MS,
);

test(
  "room number and PIN lead a phone through the menu into the call; outside and hidden callers are who they are elsewhere",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    await using atAlice = await scene.join(alice, dialledRoom, TONES_HZ.alice);
    const { id, pin } = await turnOnDialIn(atAlice, lab.gateway.botUserId);
    await phone.dial(MENU_NUMBER);
    await phone.waitForEstablished();
    await phone.press(`${id}#`);
    await phone.press(`${pin}#`);
    await allHear([
      [memberEar(atAlice, lab.gateway.ghost("1001")), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    await phone.hangup();
    await scene.waitForState(dialledRoom, "ended");

    for (const { prefix, user, name } of [
      { prefix: "9", user: /^@tel_x[a-z2-7]{12}:/, name: "+33*******78" },
      { prefix: "7", user: /^@tel_anonymous:/, name: "Anonymous caller" },
    ]) {
      await phone.dial(`${prefix}${ROOM_NUMBER}`);
      const call = await scene.waitForState(dialledRoom, "active");
      expect(call).toMatchObject({ user_id: expect.stringMatching(user), name });
      await phone.hangup();
      await scene.waitForEnd(call.call_id);
    }
  },
  TIMEOUT_MS,
);

test(
  "a caller who gives up while it rings leaves nothing; a number that leads nowhere is refused",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    await phone.dial("8599");
    expect(await phone.waitForClosed()).toMatch(/^486/);
    await dialUntilItRings(phone, ROOM_NUMBER);
    const hungUpAtMs = performance.now();
    await phone.hangup();
    await scene.expectNothingLeft({ roomId: dialledRoom, ghost, witness: alice }, hungUpAtMs);
  },
  TIMEOUT_MS,
);

const endings = [
  { outcome: "busy", number: OUTSIDE_NUMBERS.busy, written: "+33 1 99 00 04 86", status: 486 },
  { outcome: "declined", number: OUTSIDE_NUMBERS.declined, written: "+33 1 99 00 06 03", status: 603 },
  { outcome: "unreachable", number: UNREACHABLE, written: "+33 1 99 00 04 80", status: 480 },
  { outcome: "invalid-number", number: OUTSIDE_NUMBERS.unreachable, written: "+33 1 99 00 04 04", status: 404 },
  { outcome: "trunk-failed", number: OUTSIDE_NUMBERS.unavailable, written: "+33 1 99 00 05 03", status: 503 },
];

test.each(endings)(
  "a number that answers $status ends as $outcome, and the room is told",
  async ({ outcome, number, written, status }) => {
    const { lab, bob } = scene;
    const ghost = lab.gateway.ghost(number);
    const { call_id: callId } = await scene.addByApi(plainRoom, number);
    expect(await scene.waitForEnd(callId)).toMatchObject({ outcome, cause: { sip_status: status } });
    const endedAtMs = performance.now();
    await inPlainRoom.waitForMessage(`The call to ${written} ended: `, lab.gateway.botUserId);
    await scene.expectNothingLeft({ roomId: plainRoom, ghost, witness: bob }, endedAtMs);
  },
  TIMEOUT_MS,
);

test(
  "the far end's hang-up ends the call",
  async () => {
    const { lab, alice, bob } = scene;
    const number = OUTSIDE_NUMBERS.hangsUpAfterTwoSeconds;
    const ghost = lab.gateway.ghost(number);
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await scene.addByApi(roomId, number);
    await memberEar(atAlice, ghost).hear(TONES_HZ.outside);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, performance.now());
  },
  TIMEOUT_MS,
);

test(
  "two phones on leg rooms hear each other and the member",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    phone.answerMode = "auto";
    const outside = OUTSIDE_NUMBERS.ringsOneSecond;
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await scene.addByApi(roomId, "1001");
    const { call_id: outsideCall } = await scene.addByApi(roomId, outside);
    await allHear([
      [memberEar(atAlice, lab.gateway.ghost("1001")), phone.toneHz],
      [memberEar(atAlice, lab.gateway.ghost(outside)), TONES_HZ.outside],
      [phoneEar(phone), TONES_HZ.alice],
      [phoneEar(phone), TONES_HZ.outside],
      [outsideEar(lab.pbx, outside), TONES_HZ.alice],
      [outsideEar(lab.pbx, outside), phone.toneHz],
    ]);
    expect(await legRooms(lab)).toHaveLength(2);
    await lab.gateway.api("DELETE", `/api/v1/calls/${outsideCall}`);
    await scene.waitForEnd(outsideCall);
    await allHear([[phoneEar(phone), TONES_HZ.alice]]);
  },
  TIMEOUT_MS,
);

test(
  "trunk and rule for calls to us are as configured again after somebody changed them; those of others stay",
  async () => {
    const { gateway, livekit } = scene.lab;
    const sip = new SipClient(livekit.httpUrl, livekit.apiKey, livekit.apiSecret);
    const found = async (name: string) => ({
      trunk: (await sip.listSipInboundTrunk()).find((one) => one.name === name),
      rule: (await sip.listSipDispatchRule()).find((one) => one.name === name),
    });
    const others = await sip.createSipInboundTrunk("others", ["+33999"]);
    await sip.createSipDispatchRule(
      { type: "individual", roomPrefix: "others" },
      { name: "others", trunkIds: [others.sipTrunkId] },
    );
    const ofOthers = await found("others");
    const before = await found(OUR_SIP_TRUNK);
    expect(before.rule?.trunkIds).toEqual([before.trunk?.sipTrunkId]);

    const everybody = new ListUpdate({ set: ["0.0.0.0/0"] });
    await sip.updateSipInboundTrunkFields(before.trunk!.sipTrunkId, { allowedAddresses: everybody });
    await sip.deleteSipDispatchRule(before.rule!.sipDispatchRuleId);
    await gateway.restart();
    const after = await found(OUR_SIP_TRUNK);
    expect(after.trunk).toMatchObject({ sipTrunkId: before.trunk?.sipTrunkId, allowedAddresses: ["127.0.0.1"] });
    expect(after.rule).toMatchObject({ trunkIds: [before.trunk?.sipTrunkId], attributes: before.rule?.attributes });

    await gateway.restart();
    // What is right is not written again.
    expect(await found(OUR_SIP_TRUNK)).toEqual(after);
    expect(await found("others")).toEqual(ofOthers);
  },
  TIMEOUT_MS,
);

test(
  "a killed media worker costs a call a few seconds of audio, a killed gateway the call and nothing else",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    phone.answerMode = "auto";
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    const hearEachOther = () =>
      allHear([
        [memberEar(atAlice, ghost), phone.toneHz],
        [phoneEar(phone), TONES_HZ.alice],
      ]);
    await atAlice.invite(ghost);
    await hearEachOther();

    await killWorkerWithCall(lab);
    await hearEachOther();
    expect(phone.state).toBe("established");

    const [call] = await scene.calls(roomId);
    await lab.gateway.process().kill();
    expect(await legRooms(lab)).toContain(`mrtc-leg-${call?.call_id}-1`);
    await lab.gateway.restart();
    await phone.waitForClosed(2000);
    const left = await leftOf(lab, { roomId, ghost, witness: bob });
    expect(left.filter((what) => !what.startsWith("SFU participant"))).toEqual([]);
  },
  TIMEOUT_MS,
);
