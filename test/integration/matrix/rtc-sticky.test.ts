import { expect, test } from "@jest/globals";
import type { RoomId } from "../../../src/ids.ts";
import type { RtcDeps } from "../../../src/matrix/rtc/rtc.ts";
import { stickyMembersOf } from "../../../src/matrix/rtc/sticky-members.ts";
import { stickyIdentity } from "../../../src/matrix/room/call-members.ts";
import type { Member } from "../../support/matrix/member.ts";
import {
  createCallRoom,
  createTestGateway,
  newCall,
  type RtcLab,
  type TestGateway,
} from "../../support/matrix/rtc-lab.ts";
import { useRtcLab } from "../../support/matrix/use-rtc-lab.ts";

// Element Call in `matrix_2_0` mode: members are sticky events (MSC4354) and have hashed LiveKit identities.

let rtcLab: RtcLab;
let gateway: TestGateway;
let alice: Member;
/** A client that was in the room before, as the gateway's bot is. */
let observer: Member;
let room: RoomId;

const { newMember } = useRtcLab((started) => {
  rtcLab = started;
});

/** Alice is in the call with a sticky membership. Gives her identity on the SFU. */
const startCall = async (encrypted: boolean, options: () => Partial<RtcDeps> = () => ({})): Promise<string> => {
  [alice, observer] = await Promise.all([newMember("alice"), newMember("observer")]);
  const invite = [observer.user];
  room = await createCallRoom(rtcLab, { creator: alice.user, encrypted, name: "Call", invite });
  await observer.room(room);
  gateway = createTestGateway(rtcLab, options());
  const session = await alice.join(room, { sticky: true });
  return session.memberships[0]?.rtcBackendIdentity ?? "";
};

test("in a plain room a sticky member keeps the phone company", async () => {
  await startCall(false);
  const call = newCall(room, rtcLab.newGhost());
  const { identity } = await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  await alice.members.next("the phone", (identities) => identities.includes(identity));
  expect(call.facts.all).toEqual([]);
  await alice.leave();
  await call.facts.next("alone", ({ type }) => type === "rtc.alone");
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("in an encrypted room the bot's device reads the sticky member, and keys go both ways", async () => {
  const hashed = await startCall(true, () => ({ stickyMembers: stickyMembersOf(observer.client) }));
  expect(hashed).toMatch(/^[A-Za-z0-9+/]{43}$/);
  const call = newCall(room, rtcLab.newGhost());
  const { identity } = await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  const own = await gateway.keys.next("own key", (key) => key.identity === identity);
  const heard = await alice.keys.next("key of the phone", (key) => key.identity === identity);
  expect(heard.key).toBe(own.key);
  const theirs = await gateway.keys.next("alice's key", (key) => key.identity !== identity);
  expect(theirs.identity).toBe(hashed);
  expect(alice.keys.all).toContainEqual({ identity: hashed, index: theirs.index, key: theirs.key });
  expect(gateway.unreadable.all).toEqual([]);

  await alice.leave();
  await call.facts.next("alone", ({ type }) => type === "rtc.alone");
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a sticky member that nobody can read is reported", async () => {
  await startCall(true);
  const call = newCall(room, rtcLab.newGhost());
  await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  expect(await gateway.unreadable.next("unreadable member")).toBe(alice.user.userId);
  expect(gateway.counters.all).toContain("member.unreadable");
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a sticky member that comes after the phone is read by the phone's own device", async () => {
  await startCall(true);
  const call = newCall(room, rtcLab.newGhost());
  await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  const session = await observer.join(room, { sticky: true });
  const own = session.memberships.find(({ userId }) => userId === observer.user.userId);
  const key = await gateway.keys.next("key of the newcomer", ({ identity }) => identity === own?.rtcBackendIdentity);
  expect(key.identity).toBe(stickyIdentity(observer.user.userId, observer.user.deviceId, own?.memberId ?? ""));
  await gateway.rtc.leave(call.request.callId);
}, 60_000);
