// A phone among people in the real Element Call, in both of its modes and in both kinds of rooms: what they see and what all of them hear.
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { parse } from "yaml";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import {
  type ElementCallHost,
  type ElementCallMode,
  startElementCallHost,
} from "../../deploy/lab/element-call/host.ts";
import { type ElementCallMember, joinElementCall, openElementCall } from "../../deploy/lab/element-call/member.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { startPhoneChat } from "../../deploy/lab/phone-chat.ts";
import { allHear, type Ear, memberEar, phoneEar, phoneRecorded, staysDeaf } from "../support/e2e/audio.ts";
import { declineRing, untilNobodyCalls, waitForRing } from "../support/e2e/chats.ts";
import { callMemberships, roomMembership } from "../support/e2e/leftovers.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 90_000;
const TILE_GONE_WITHIN_MS = 2000;

let scene: Scene;
const hosts = new Map<ElementCallMode, ElementCallHost>();

beforeAll(async () => {
  scene = await startScene();
  for (const mode of ["compatibility", "matrix_2_0"] as const) {
    hosts.set(mode, await startElementCallHost({ homeserverUrl: scene.lab.homeserver.url, mode }));
  }
}, 600_000);
afterEach(() => scene.reset());
afterAll(async () => {
  await Promise.all([...hosts.values()].map((host) => host.close()));
  await scene?.stop();
});

const joinAsAlice = (mode: ElementCallMode, roomId: string): Promise<ElementCallMember> =>
  joinElementCall({ host: hosts.get(mode)!, user: scene.alice, roomId, microphoneToneHz: TONES_HZ.alice });

const browserEar = (member: ElementCallMember): Ear => ({
  name: `${member.userId} in Element Call`,
  hear: async (frequencyHz, withinMs = 10_000) => {
    await member.hear(frequencyHz, { withinMs });
  },
});

const allCalls = async (): Promise<ApiCall[]> =>
  (await scene.lab.gateway.api("GET", "/api/v1/calls")).body["calls"] as ApiCall[];

const combinations: { mode: ElementCallMode; encrypted: boolean }[] = [
  { mode: "compatibility", encrypted: false },
  { mode: "compatibility", encrypted: true },
  { mode: "matrix_2_0", encrypted: false },
  // The bot is in the room before the call: it reads the sticky memberships, which are encrypted here.
  { mode: "matrix_2_0", encrypted: true },
];

test.each(combinations)(
  "an invited phone is a tile that speaks and hears, and is gone when it hangs up ($mode, encrypted: $encrypted)",
  async ({ mode, encrypted }) => {
    const { lab, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted });
    // Three in the call: with two, Element Call does not show who speaks. Bob's device is there before alice's membership, to read it.
    const sticky = mode === "matrix_2_0";
    await using atBob = await scene.join(bob, roomId, TONES_HZ.bob, { sticky, joinLater: true });
    await using atAlice = await joinAsAlice(mode, roomId);
    await atBob.join();
    await atBob.publishTone(TONES_HZ.bob);

    await atAlice.invite(ghost);
    await phone.waitForRinging();
    await atAlice.waitForTile("1001");
    await phone.answer();
    const tile = await atAlice.waitForTile("1001", { is: { microphone: "on", speaking: true, picture: true } });
    expect(tile).toMatchObject({ status: "", unencrypted: false });
    await allHear([
      [browserEar(atAlice), phone.toneHz],
      [memberEar(atBob, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
    expect(await lab.gateway.metrics()).toMatch(/^mrtc_sip_gateway_unreadable_members_total 0$/m);

    await phone.press("*6");
    await atAlice.waitForTile("1001", { is: { microphone: "off", speaking: false } });
    await phone.press("*6");
    await atAlice.waitForTile("1001", { is: { microphone: "on", speaking: true } });
    await phone.press("*9");
    await atAlice.waitForTile("1001", { is: { handRaised: true } });
    await phone.press("*9");
    await atAlice.waitForTile("1001", { is: { handRaised: false } });

    const hungUpAtMs = performance.now();
    await phone.hangup();
    await Promise.all([
      atAlice.waitForNoTile("1001", TILE_GONE_WITHIN_MS),
      scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs),
    ]);
  },
  TIMEOUT_MS,
);

test(
  "a member whose encrypted membership is older than the bot is reported, and heard after joining again",
  async () => {
    const { lab, bob } = scene;
    const { botUserId } = lab.gateway;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true, bot: false });
    await using stale = await joinAsAlice("matrix_2_0", roomId);
    await scene.inviteBot(roomId);

    // Only the unreadable member: nobody the phone could talk to. The room is told, once.
    await stale.sendMessage("!phone add 1001");
    for (const words of ["NO_LIVE_CALL", "cannot be heard by the phones"]) {
      await stale.waitForMessage(({ sender, body }) => sender === botUserId && body.includes(words));
    }

    // With a member that can be read the phone comes in.
    await using atBob = await scene.join(bob, roomId, TONES_HZ.bob);
    await atBob.invite(ghost);
    await phone.waitForRinging();
    await phone.answer();
    await allHear([
      [memberEar(atBob, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
    const metrics = await lab.gateway.metrics();
    expect(Number(/^mrtc_sip_gateway_unreadable_members_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    await staysDeaf(phoneRecorded(phone), TONES_HZ.alice, 500);

    await stale.close();
    await using again = await joinAsAlice("matrix_2_0", roomId);
    await allHear([
      [browserEar(again), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
  },
  TIMEOUT_MS,
);

test(
  "a person calls a number in an encrypted chat: the phone rings and both talk; busy, and who gives up",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await startPhoneChat(lab.homeserver, alice, ghost, { encrypted: true });
    await using atAlice = await openElementCall({
      host: hosts.get("compatibility")!,
      user: alice,
      roomId,
      intent: "start_call_dm_voice",
      microphoneToneHz: TONES_HZ.alice,
    });
    const says = (words: string) =>
      atAlice.waitForMessage(({ sender, body }) => sender === ghost && body.includes(words));

    await atAlice.join();
    await phone.waitForRinging();
    // Its membership would say that it was picked up.
    expect((await callMemberships(lab, roomId, alice)).filter((key) => key.includes(ghost))).toEqual([]);
    await phone.answer();
    await allHear([
      [browserEar(atAlice), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    // Commands are read by the device of the number: the bot is not here.
    await atAlice.sendMessage("!phone keys 12#");
    await phone.waitForKeys("12#");
    await phone.hangup();
    // Element Call leaves when the other one has.
    await untilNobodyCalls(scene, roomId, alice);
    expect(await says("Outgoing call, ")).toMatchObject({ encrypted: true });

    await atAlice.join();
    await phone.waitForRinging();
    await phone.hangup();
    await untilNobodyCalls(scene, roomId, alice);
    await says("Outgoing call: the line is busy.");

    await atAlice.join();
    await phone.waitForRinging();
    await atAlice.leave();
    await phone.waitForClosed();
    await says("Outgoing call: it was cancelled.");
    await atAlice.sendMessage("!phone history");
    await says("UTC, 1001: Outgoing call: the line is busy.");

    // The dial pad of Element Web finds the ghost, and then places a legacy call, which is answered in words.
    const as = { user: alice };
    const lookUp = "/_matrix/client/v3/thirdparty/user/m.protocol.pstn?m.id.phone=1001";
    expect(await lab.homeserver.request("GET", lookUp, as)).toMatchObject([{ userid: ghost }]);
    const legacy = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.call.invite/legacy`;
    await lab.homeserver.request("PUT", legacy, { ...as, body: { call_id: "legacy", version: "1", lifetime: 60_000 } });
    await says("Use Element Call");
    expect((await scene.calls(roomId)).map(({ outcome }) => outcome)).toEqual(["cancelled", "busy", "completed"]);
  },
  TIMEOUT_MS,
);

test(
  "where the trunk wants it, a person hears what a number says before it answers",
  async () => {
    const { lab, alice } = scene;
    const { trunks } = parse(await readFile(lab.gateway.configFile, "utf8")) as { trunks: [{ asterisk: object }] };
    const [trunk] = trunks;
    const hears = { ...trunk, asterisk: { ...trunk.asterisk, early_media: "answer" } };
    await lab.gateway.reconfigure({ trunks: [hears] });
    const ghost = lab.gateway.ghost(OUTSIDE_NUMBERS.earlyMedia);
    const roomId = await startPhoneChat(lab.homeserver, alice, ghost, { encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await memberEar(atAlice, ghost).hear(TONES_HZ.outside);
    // Nobody has answered.
    const [call] = await scene.calls(roomId);
    expect(call).toMatchObject({ state: "alerting", answered_at: null });
    await atAlice.leave();
    expect(await scene.waitForEnd(call!.call_id)).toMatchObject({ outcome: "cancelled" });
  },
  TIMEOUT_MS,
);

test(
  "a phone calls a person: declined and forwarded, given up, and accepted in one of two browsers",
  async () => {
    const { lab, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const forward = { declined: OUTSIDE_NUMBERS.answersAtOnce };
    await lab.gateway.reconfigure({ dispatch_rules: [{ name: "bob", numbers: ["2002"], user: bob.userId, forward }] });

    // Nobody would hear it ring.
    await phone.dial("2002");
    await phone.waitForClosed();
    // A device of his, somewhere else.
    const elsewhere = await scene.createRoom({ encrypted: true });
    await using device = await scene.join(bob, elsewhere, TONES_HZ.bob, { joinLater: true });
    expect(device.userId).toBe(bob.userId);

    await phone.dial("2002");
    const { room_id: roomId } = await until("the call", async () =>
      (await allCalls()).find(({ state }) => state === "alerting"),
    );
    const ring = await waitForRing(scene, roomId, ghost, bob);
    await declineRing(scene, roomId, ring, bob);
    // The number that bob wants tried then: the two are connected in Asterisk.
    await phone.waitForEstablished();
    await phoneEar(phone).hear(TONES_HZ.outside);
    const [forwarded] = await scene.calls(roomId);
    expect(forwarded).toMatchObject({ state: "active", number: forward.declined, forwarded_from: "1001" });
    await phone.hangup();
    expect(await scene.waitForEnd(forwarded!.call_id)).toMatchObject({ outcome: "completed" });
    await phone.dial("2002");
    await scene.waitForState(roomId, "alerting");
    await phone.hangup();
    await scene.waitForState(roomId, "ended");
    await untilNobodyCalls(scene, roomId, bob);

    // Two browsers of his: both ring, and answering in one stops the other.
    const open = () =>
      openElementCall({
        host: hosts.get("compatibility")!,
        user: bob,
        roomId,
        intent: "join_existing_dm_voice",
        microphoneToneHz: TONES_HZ.bob,
      });
    await using atBob = await open();
    await using otherBrowser = await open();
    await phone.dial("2002");
    await Promise.all([atBob, otherBrowser].map((browser) => browser.waitForRinging(true)));
    await atBob.join();
    await otherBrowser.waitForRinging(false);
    await phone.waitForEstablished();
    await atBob.waitForJoined();
    await allHear([
      [browserEar(atBob), phone.toneHz],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
    // He is in a call: the other phone is told so, and he of it.
    const other = lab.phones["1002"];
    await other.dial("2002");
    await other.waitForClosed();
    await atBob.sendMessage("!phone transfer 1002");
    await other.waitForRinging();
    await other.answer();
    await allHear([
      [phoneEar(phone), other.toneHz],
      [phoneEar(other), phone.toneHz],
    ]);
    await scene.waitForState(roomId, "ended");
    const ended = await scene.calls(roomId);
    expect(ended.map(({ outcome }) => outcome)).toEqual(["transferred", "cancelled", "completed", "declined"]);
    expect(ended.at(-1)).toMatchObject({ forwarded_to: forward.declined });
    await atBob.waitForMessage(({ sender, body }) => sender === ghost && /Incoming call, \d+ s\./.test(body));
    expect(await roomMembership(lab, roomId, ghost, bob)).toBe("join");
  },
  TIMEOUT_MS,
);
