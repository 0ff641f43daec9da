// Hostile and broken members during calls: memberships nobody should believe, media keys that came in clear, strangers on the SFU.
import { randomBytes, randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import { readWav } from "../../deploy/lab/audio/wav.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import {
  allHear,
  memberEar,
  outsideEar,
  phoneEar,
  phoneRecorded,
  type Recorded,
  staysDeaf,
} from "../support/e2e/audio.ts";
import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { whileIntruding } from "../support/e2e/intruder.ts";
import { listSfuParticipants } from "../../deploy/lab/sfu-participants.ts";
import { metric } from "../support/e2e/metrics.ts";
import { CALL_MEMBER, callMembership, type RoomHand, roomHand } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 60_000;
const DESK = "1001";
const OUTSIDE = OUTSIDE_NUMBERS.answersAtOnce;
/** Not said by anybody else in the lab. */
const INTRUDER_HZ = 1750;

let scene: Scene;
let good: GoodCall;
/** Encrypted: alice and the desk phone. */
let room: RoomHand;
let alice: LabMemberProcess;
let ghost: string;

beforeAll(async () => {
  scene = await startScene({ config: { calls: { alone_timeout: "2s" } } });
  good = await startGoodCall(scene);
  const { lab } = scene;
  room = roomHand(lab, await scene.createRoom({ encrypted: true }), scene.bob);
  alice = await scene.join(scene.alice, room.roomId, TONES_HZ.alice);
  ghost = lab.gateway.ghost(DESK);
  lab.phones[DESK].answerMode = "auto";
  await scene.addByApi(room.roomId, DESK);
  await expectCallGoesOn();
}, 600_000);
afterAll(async () => {
  await alice?.leave();
  await good?.stop();
  await scene?.stop();
}, 60_000);

const expectCallGoesOn = async (): Promise<void> => {
  const desk = scene.lab.phones[DESK];
  await allHear([
    [memberEar(alice, ghost), desk.toneHz],
    [phoneEar(desk), TONES_HZ.alice],
  ]);
  expect(await scene.calls(room.roomId)).toMatchObject([{ state: "active" }]);
};

const untilCounted = (name: string, reason: string, count: number): Promise<true> => {
  let seen = 0;
  return until(
    `${name} ${reason} to be ${count}`,
    async () => {
      seen = await metric(scene.lab, name, { reason });
      return seen === count ? true : undefined;
    },
    { seen: () => seen },
  );
};

const outsideRecorded = ({ pbx }: Scene["lab"]): Recorded => ({
  name: OUTSIDE,
  recording: async () => readWav((await pbx.recordings()).findLast(({ number }) => number === OUTSIDE)!.heardWav),
});

const REFUSED = "memberships_refused_total";

describe("memberships", () => {
  test(
    "with broken content are not believed, are counted, and change nothing",
    async () => {
      const { bob } = scene;
      const valid = callMembership(bob, room.roomId);
      const { focus_active: _focus, ...withoutFocus } = valid;
      const broken: Record<string, unknown>[] = [
        { application: 1 },
        { ...valid, application: { type: "m.call" } },
        { ...valid, call_id: null },
        { ...valid, device_id: ["X"] },
        { ...valid, focus_active: "livekit" },
        { ...valid, focus_active: [] },
        { ...valid, focus_active: { type: 1 } },
        { ...valid, expires: "soon" },
        { ...valid, expires: -1 },
        { ...valid, created_ts: "yesterday" },
        withoutFocus,
        { ["x".repeat(1000)]: "y".repeat(20_000) },
        { __proto__polluted: true, constructor: { prototype: {} } },
      ];
      const before = await metric(scene.lab, REFUSED, { reason: "broken" });
      for (const content of broken) {
        await room.putState(bob, CALL_MEMBER, `_${bob.userId}_${randomUUID()}_m.call`, content);
      }
      await untilCounted(REFUSED, "broken", before + broken.length);
      await expectCallGoesOn();
    },
    TIMEOUT_MS,
  );

  test(
    "with fields that only the SDK reads, broken, harm nobody",
    async () => {
      const { bob } = scene;
      const valid = callMembership(bob, room.roomId);
      const odd: Record<string, unknown>[] = [
        { ...valid, foci_preferred: "livekit" },
        { ...valid, foci_preferred: [null, 1, { type: "livekit", livekit_service_url: 1 }] },
        { ...valid, foci_preferred: [{ type: "livekit", livekit_service_url: "javascript:alert(1)" }] },
        { ...valid, scope: {} },
        { ...valid, application: "m.other" },
        { ...valid, call_id: "another call" },
      ];
      for (const content of odd) {
        await room.putState(bob, CALL_MEMBER, `_${bob.userId}_${bob.deviceId}_m.call`, content);
      }
      // The state above is replaced; what was made of it is gone as well.
      await room.putState(bob, CALL_MEMBER, `_${bob.userId}_${bob.deviceId}_m.call`, {});
      const before = await metric(scene.lab, REFUSED, { reason: "broken" });
      await room.putState(bob, CALL_MEMBER, `_${bob.userId}_LAST_m.call`, { application: 2 });
      await untilCounted(REFUSED, "broken", before + 1);
      await expectCallGoesOn();
    },
    TIMEOUT_MS,
  );

  test(
    "that somebody wrote for another user are not believed, and are counted",
    async () => {
      const { bob, carol } = scene;
      const before = await metric(scene.lab, REFUSED, { reason: "foreign-sender" });
      for (const [user, deviceId] of [
        [scene.alice.userId, "FORGED"],
        [carol.userId, carol.deviceId],
        [ghost, "FORGED"],
      ] as const) {
        const content = callMembership({ deviceId }, room.roomId);
        await room.putState(bob, CALL_MEMBER, `_${user}_${deviceId}_m.call`, content);
      }
      await untilCounted(REFUSED, "foreign-sender", before + 3);
      await expectCallGoesOn();
    },
    TIMEOUT_MS,
  );
});

describe("media keys", () => {
  test(
    "in clear, for a member who is heard with another key, are dropped and counted",
    async () => {
      const { lab, bob } = scene;
      const device = (await alice.members()).find(({ userId }) => userId === ghost)?.deviceId;
      expect(device).toMatch(/^GW/);
      const before = await metric(lab, "media_keys_refused_total", { reason: "unencrypted" });
      const send = (type: string, content: unknown) =>
        lab.homeserver.request("PUT", `/_matrix/client/v3/sendToDevice/${type}/${randomUUID()}`, {
          user: bob,
          body: { messages: { [ghost]: { [device!]: content } } },
        });
      for (const index of [0, 1, 2, 3, 255]) {
        await send("io.element.call.encryption_keys", {
          room_id: room.roomId,
          keys: { index, key: randomBytes(16).toString("base64") },
          member: { claimed_device_id: alice.deviceId, id: alice.identity },
          session: { call_id: "", application: "m.call", scope: "m.room" },
          sent_ts: Date.now(),
        });
      }
      await send("io.element.call.encryption_keys", { keys: "none" });
      await send("m.room.encrypted", { algorithm: "m.olm.v1.curve25519-aes-sha2", sender_key: "x", ciphertext: {} });
      await untilCounted("media_keys_refused_total", "unencrypted", before + 6);
      await expectCallGoesOn();
    },
    TIMEOUT_MS,
  );
});

describe("strangers in the SFU's room", () => {
  const expectOnSfu = async (identity: string): Promise<void> => {
    const listed = await listSfuParticipants(scene.lab.livekit);
    expect(listed.map((participant) => participant.identity)).toContain(identity);
  };

  test.each([
    { what: "in clear", encrypted: false },
    { what: "encrypted with a key of their own", encrypted: true },
  ])(
    "of an encrypted call are not heard by the phone: $what",
    async ({ encrypted }) => {
      for (const identity of ["@mallory:evil.example:X", `${scene.alice.userId}:FORGED`, `${ghost}:FORGED`]) {
        const key = encrypted ? { key: randomBytes(16) } : {};
        await whileIntruding(scene.lab, { roomId: room.roomId, identity, toneHz: INTRUDER_HZ, ...key }, async () => {
          await expectOnSfu(identity);
          await staysDeaf(phoneRecorded(scene.lab.phones[DESK]), INTRUDER_HZ, 1000);
        });
      }
      await expectCallGoesOn();
    },
    TIMEOUT_MS,
  );

  test(
    "of a plain call are heard by who plays everything, but not by the phone, also with a forged membership",
    async () => {
      const { lab, bob, carol } = scene;
      const plain = roomHand(lab, await scene.createRoom({ encrypted: false }), bob);
      const atCarol = await scene.join(carol, plain.roomId, 1500);
      const call = await scene.addByApi(plain.roomId, OUTSIDE);
      const outside = outsideEar(lab.pbx, OUTSIDE);
      await allHear([
        [memberEar(atCarol, call.user_id), TONES_HZ.outside],
        [outside, 1500],
      ]);
      const before = await metric(lab, REFUSED, { reason: "foreign-sender" });
      const forged = callMembership({ deviceId: "FORGED" }, plain.roomId);
      await plain.putState(bob, CALL_MEMBER, `_${scene.alice.userId}_FORGED_m.call`, forged);
      await untilCounted(REFUSED, "foreign-sender", before + 1);
      for (const identity of ["@mallory:evil.example:X", `${scene.alice.userId}:FORGED`]) {
        await whileIntruding(lab, { roomId: plain.roomId, identity, toneHz: INTRUDER_HZ }, async () => {
          await atCarol.hear("any", INTRUDER_HZ);
          await staysDeaf(outsideRecorded(lab), INTRUDER_HZ, 1000);
          await outside.hear(1500);
        });
      }
      await lab.gateway.api("DELETE", `/api/v1/calls/${call.call_id}`);
      await atCarol.waitForNoMember(call.user_id);
      await atCarol.leave();
    },
    TIMEOUT_MS,
  );
});

test(
  "the last member leaves: forged memberships keep no phone in the call",
  async () => {
    const desk = scene.lab.phones[DESK];
    await alice.leave();
    await desk.waitForClosed();
    const [call] = await scene.calls(room.roomId);
    await scene.waitForState(room.roomId, "ended");
    expect(await scene.call(call!.call_id)).toMatchObject({ outcome: "completed" });
    await good.expectNothingLeft({ roomId: room.roomId, ghost, witness: scene.bob });
  },
  TIMEOUT_MS,
);

test("the call beside has not noticed anything", () => good.expectUnharmed(), TIMEOUT_MS);
