import { expect, test } from "@jest/globals";
import type { SfuAccess } from "../../../src/calls/ports.ts";
import type { RoomId } from "../../../src/ids.ts";
import { emptyMembership } from "../../../src/matrix/rtc/leftovers.ts";
import { MEDIA_KEY_EVENT } from "../../../src/matrix/crypto/media-key-gate.ts";
import type { Member } from "../../support/matrix/member.ts";
import {
  createCallRoom,
  createTestGateway,
  deviceOf,
  newCall,
  type RtcLab,
  type TestGateway,
} from "../../support/matrix/rtc-lab.ts";
import { useRtcLab } from "../../support/matrix/use-rtc-lab.ts";

let rtcLab: RtcLab;
let gateway: TestGateway;
let alice: Member;
let bob: Member;
let room: RoomId;

const { newClient, newMember } = useRtcLab((started) => {
  rtcLab = started;
});

/** An encrypted room in which alice is in the call and bob is not yet. */
const startCall = async (): Promise<void> => {
  [alice, bob] = await Promise.all([newMember("alice"), newMember("bob")]);
  room = await createCallRoom(rtcLab, { creator: alice.user, encrypted: true, name: "Call", invite: [bob.user] });
  gateway = createTestGateway(rtcLab);
  await alice.join(room);
};

const addPhone = async (call = newCall(room, rtcLab.newGhost())): Promise<SfuAccess & { call: typeof call }> => {
  const access = await gateway.rtc.prepare(call.request, call.facts.push);
  await gateway.rtc.publish(call.request.callId);
  return { ...access, call };
};

const keyOf =
  (identity: string, index?: number) =>
  (key: { readonly identity: string; readonly index: number }): boolean =>
    key.identity === identity && (index === undefined || key.index === index);

test("a phone and a member have each other's first key at once", async () => {
  await startCall();
  const call = newCall(room, rtcLab.newGhost());
  const access = await gateway.rtc.prepare(call.request, call.facts.push);
  await gateway.rtc.publish(call.request.callId);
  const own = await gateway.keys.next("own key", keyOf(access.identity));
  const heard = await alice.keys.next("key of the phone", keyOf(access.identity));
  const theirs = await gateway.keys.next("alice's key", keyOf(alice.identity));

  expect(access).toMatchObject({ encrypted: true, transportUrl: rtcLab.lab.tokenService.url });
  expect(heard).toEqual({ identity: access.identity, index: 0, key: own.key });
  expect(alice.keys.all.filter(keyOf(alice.identity)).map(({ key }) => key)).toContain(theirs.key);
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("the membership is what clients of today read", async () => {
  await startCall();
  const { call, identity } = await addPhone();
  const { ghost } = call.request;
  const device = deviceOf(identity);
  expect(await rtcLab.stateOf(room, ghost)).toEqual([
    expect.objectContaining({
      state_key: `_${ghost}_${device}_m.call`,
      content: {
        application: "m.call",
        call_id: "",
        scope: "m.room",
        device_id: device,
        membershipID: identity,
        expires: 14_400_000,
        "m.call.intent": "audio",
        focus_active: { type: "livekit", focus_selection: "multi_sfu" },
        foci_preferred: [
          { type: "livekit", livekit_service_url: rtcLab.lab.tokenService.url, livekit_alias: String(room) },
        ],
      },
    }),
  ]);
  expect(await rtcLab.delayedOf(ghost)).toHaveLength(1);
  await alice.members.next("the phone as a member", (identities) => identities.includes(identity));
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("the phone's device is signed by its owner, and the owner stays the same in the next call", async () => {
  await startCall();
  const ghost = rtcLab.newGhost();
  const masterKeys: unknown[] = [];
  for (let calls = 0; calls < 2; calls += 1) {
    const { call, identity } = await addPhone(newCall(room, ghost));
    await alice.keys.next("key of the phone", keyOf(identity));
    const status = await alice.client.getCrypto()?.getDeviceVerificationStatus(ghost, deviceOf(identity));
    expect(status?.signedByOwner).toBe(true);
    const answer = await rtcLab.lab.homeserver.request<{ master_keys: Record<string, unknown> }>(
      "POST",
      "/_matrix/client/v3/keys/query",
      { user: alice.user, body: { device_keys: { [ghost]: [] } } },
    );
    masterKeys.push(answer.master_keys[ghost]);
    await gateway.rtc.leave(call.request.callId);
  }
  expect(masterKeys[1]).toEqual(masterKeys[0]);
}, 60_000);

test("the phone's key changes when a member leaves, and is used a second after it was sent", async () => {
  await startCall();
  await bob.join(room);
  const { call, identity } = await addPhone();
  await bob.keys.next("key of the phone", keyOf(identity, 0));
  await alice.keys.next("key of the phone", keyOf(identity, 0));
  await bob.leave();
  const next = await alice.keys.next("next key of the phone", keyOf(identity, 1));
  expect(gateway.keys.all.some(keyOf(identity, 1))).toBe(false);
  const own = await gateway.keys.next("own next key", keyOf(identity, 1));
  expect(own.key).toBe(next.key);
  expect(bob.keys.all.some(keyOf(identity, 1))).toBe(false);
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a member that joins later has the phone's key and is heard", async () => {
  await startCall();
  const { call, identity } = await addPhone();
  await bob.join(room);
  const heard = await bob.keys.next("key of the phone", keyOf(identity));
  const own = gateway.keys.all.find(keyOf(identity, heard.index));
  expect(heard.key).toBe(own?.key);
  await gateway.keys.next("bob's key", keyOf(bob.identity));
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a member that comes back after all memberships have ended is heard", async () => {
  await startCall();
  const { call, identity } = await addPhone();
  await alice.keys.next("key of the phone", keyOf(identity, 0));
  // As delayed leaves end them while the homeserver is away: first hers, then the phone's.
  await alice.leave();
  await gateway.keys.next("own next key", keyOf(identity, 1));
  const stateKey = `_${call.request.ghost}_${deviceOf(identity)}_m.call`;
  await emptyMembership(rtcLab.homeserver, call.request.ghost, room, stateKey);
  await alice.join(room);
  const heard = await alice.keys.next(
    "key of the phone",
    ({ identity: whose, index }) => whose === identity && index > 0,
  );
  const own = await gateway.keys.next("the phone's key in use", keyOf(identity, heard.index));
  expect(own.key).toBe(heard.key);
  expect(gateway.keys.all.findLast(keyOf(identity))).toBe(own);
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("phones of one gateway send each other no keys and rotate none because of each other", async () => {
  await startCall();
  const first = await addPhone();
  await alice.keys.next("key of the first phone", keyOf(first.identity));
  const second = await addPhone();
  await alice.keys.next("key of the second phone", keyOf(second.identity));
  await gateway.keys.next("alice's key for the second", (key) => key.call === second.call.request.callId);
  await gateway.rtc.leave(second.call.request.callId);
  await alice.members.next(
    "the second phone gone",
    (identities) => identities.includes(first.identity) && !identities.includes(second.identity),
  );
  const ofFirst = gateway.keys.all.filter(({ call }) => call === first.call.request.callId);
  expect(ofFirst.some(keyOf(second.identity))).toBe(false);
  expect(ofFirst.filter(keyOf(first.identity)).map(({ index }) => index)).toEqual([0]);
  await gateway.rtc.leave(first.call.request.callId);
}, 60_000);

test("a newcomer does not wait for a member's key that another phone of the room has", async () => {
  await startCall();
  const first = await addPhone();
  await gateway.keys.next("alice's key", keyOf(alice.identity));
  // She sees nobody any more who comes, and sends them no key.
  alice.client.stopClient();
  const second = await addPhone();
  const sinceMs = performance.now();
  await gateway.rtc.keysExchanged(second.call.request.callId);
  // One that is not complete ends after 2 s.
  expect(performance.now() - sinceMs).toBeLessThan(1500);
  const ofSecond = gateway.keys.all.filter(({ call }) => call === second.call.request.callId);
  expect(ofSecond.some(keyOf(alice.identity))).toBe(false);
  for (const { call } of [first, second]) await gateway.rtc.leave(call.request.callId);
}, 60_000);

const keyContent = (device: string, key = Buffer.alloc(16, 7).toString("base64")): Record<string, unknown> => ({
  keys: { index: 3, key },
  room_id: room,
  member: { id: `${alice.user.userId}:${device}`, claimed_device_id: device },
  session: { application: "m.call", call_id: "", scope: "m.room" },
  sent_ts: Date.now(),
});

test("keys in clear, of another device, of strangers and malformed ones are dropped and counted", async () => {
  await startCall();
  const { call, identity } = await addPhone();
  await gateway.keys.next("alice's key", keyOf(alice.identity));
  const before = gateway.keys.all.length;
  const target = [{ userId: String(call.request.ghost), deviceId: String(deviceOf(identity)) }];
  const device = alice.user.deviceId;

  await alice.client.sendToDevice(
    MEDIA_KEY_EVENT,
    new Map([[call.request.ghost, new Map([[deviceOf(identity), keyContent(device)]])]]),
  );
  await gateway.counters.next("clear key dropped", (counter) => counter === "media-key.unencrypted");

  // A second device of alice claims to be the one in the call.
  const login = await rtcLab.lab.homeserver.login(alice.user.userId.slice(1, alice.user.userId.indexOf(":")));
  const second = await newClient(login);
  await second.room(room);
  await second.client.getCrypto()?.getUserDeviceInfo([call.request.ghost], true);
  await second.client.encryptAndSendToDevice(MEDIA_KEY_EVENT, target, keyContent(device));
  await gateway.counters.next("foreign key dropped", (counter) => counter === "media-key.foreign-device");

  const stranger = await newMember("mallory");
  await stranger.client.getCrypto()?.getUserDeviceInfo([call.request.ghost], true);
  const claim = keyContent(stranger.user.deviceId);
  await rtcLab.lab.homeserver.request(
    "PUT",
    `/_matrix/client/v3/sendToDevice/${MEDIA_KEY_EVENT}/${crypto.randomUUID()}`,
    { user: stranger.user, body: { messages: { [call.request.ghost]: { [deviceOf(identity)]: claim } } } },
  );

  await alice.client.encryptAndSendToDevice(MEDIA_KEY_EVENT, target, keyContent(device, "c2hvcnQ="));
  await gateway.counters.next("malformed key dropped", (counter) => counter === "media-key.malformed");
  await alice.client.encryptAndSendToDevice(MEDIA_KEY_EVENT, target, {
    ...keyContent(device),
    room_id: "!elsewhere:lab",
  });
  await gateway.counters.next("key of another room dropped", (counter) => counter === "media-key.wrong-room");

  // The same key from the right device passes: it was the sender, not the key.
  await alice.client.encryptAndSendToDevice(MEDIA_KEY_EVENT, target, keyContent(device));
  await gateway.keys.next("alice's key", keyOf(alice.identity, 3));
  expect(gateway.keys.all.slice(before).filter(({ identity: of }) => of !== identity)).toHaveLength(1);
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("no key, token or number is written to the log", async () => {
  await startCall();
  const { call, token } = await addPhone();
  const { key } = await gateway.keys.next("alice's key", keyOf(alice.identity));
  await gateway.rtc.leave(call.request.callId);
  const text = JSON.stringify(gateway.logLines);
  const { ghost } = call.request;
  for (const secret of [token, key, Buffer.from(key, "hex").toString("base64"), ghost.slice(6, ghost.indexOf(":"))]) {
    expect(text).not.toContain(secret);
  }
}, 60_000);

test("a notice of the phone is encrypted and readable", async () => {
  await startCall();
  const { call } = await addPhone();
  const notice = alice.nextMessage(room, call.request.ghost);
  await gateway.rtc.sendNotice(call.request.callId, room, "The phone says hello");
  expect(await notice).toMatchObject({ body: "The phone says hello", msgtype: "m.notice", encrypted: true });
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a phone without a call writes one notice and is gone", async () => {
  await startCall();
  const ghost = rtcLab.newGhost();
  await gateway.deps.ensureGhost(ghost, "+33 1 40 50 60 70");
  await gateway.deps.inviteAsBot(room, ghost);
  const notice = alice.nextMessage(room, ghost);
  await gateway.rtc.noticeOnce(ghost, room, "There is no call here");
  expect(await notice).toMatchObject({ body: "There is no call here", encrypted: true });
  expect(await rtcLab.devicesOf(ghost)).toEqual([]);
  expect(await rtcLab.membershipOf(room, ghost, alice.user)).toBe("leave");
}, 60_000);
