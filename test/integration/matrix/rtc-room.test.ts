import { expect, test } from "@jest/globals";
import type { GhostUserId, RoomId } from "../../../src/ids.ts";
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

const MEMBER = "org.matrix.msc3401.call.member";

let rtcLab: RtcLab;
let gateway: TestGateway;
let alice: Member;
let room: RoomId;

const { newMember } = useRtcLab((started) => {
  rtcLab = started;
});

const startCall = async (
  options: { powerLevels?: Record<string, unknown>; roomVersion?: string } = {},
): Promise<void> => {
  alice = await newMember("alice");
  room = await createCallRoom(rtcLab, { creator: alice.user, encrypted: false, name: "Call", ...options });
  gateway = createTestGateway(rtcLab);
  await alice.join(room);
};

const addPhone = async (): Promise<ReturnType<typeof newCall> & { readonly identity: string }> => {
  const call = newCall(room, rtcLab.newGhost());
  const { identity } = await gateway.rtc.prepare(call.request, call.facts.push);
  await gateway.rtc.publish(call.request.callId);
  return { ...call, identity };
};

const asAlice = (method: string, path: string, body: unknown): Promise<unknown> =>
  rtcLab.lab.homeserver.request(method, `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${path}`, {
    user: alice.user,
    body,
  });

const expectNothingLeft = async (ghost: GhostUserId): Promise<void> => {
  expect(await rtcLab.devicesOf(ghost)).toEqual([]);
  expect(await rtcLab.delayedOf(ghost)).toEqual([]);
  const state = (await asAlice("GET", "state", undefined)) as { type: string; sender: string; content: object }[];
  const memberships = state.filter(({ type, sender }) => type === MEMBER && sender === ghost);
  expect(memberships.filter(({ content }) => Object.keys(content).length > 0)).toEqual([]);
};

test("a phone joins a plain room without keys, and leaves nothing behind within 2 s", async () => {
  await startCall();
  const { request, identity } = await addPhone();
  await alice.members.next("the phone", (identities) => identities.includes(identity));
  const startedMs = performance.now();
  await gateway.rtc.leave(request.callId);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  await expectNothingLeft(request.ghost);
  expect(await rtcLab.membershipOf(room, request.ghost, alice.user)).toBe("leave");
  await alice.members.next(
    "the phone gone",
    (identities) => alice.members.all.length > 1 && !identities.includes(identity),
  );
  expect(gateway.keys.all).toEqual([]);
  await gateway.rtc.leave(request.callId);
}, 60_000);

test("leaving while the ghost is being prepared leaves nothing behind either", async () => {
  await startCall();
  for (const waitMs of [0, 60, 120]) {
    const call = newCall(room, rtcLab.newGhost());
    const preparing = gateway.rtc.prepare(call.request, call.facts.push).then(
      () => "ready",
      (error: { code?: string }) => error.code,
    );
    // Not waiting for anything: leaving at different moments of the preparation is the point.
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await gateway.rtc.leave(call.request.callId);
    expect(["SHUTTING_DOWN", "ready"]).toContain(await preparing);
    await expectNothingLeft(call.request.ghost);
  }
}, 60_000);

test("leaving while the membership is being written leaves nothing behind, and ends the writing", async () => {
  await startCall();
  for (const waitMs of [0, 5, 20, 60]) {
    const call = newCall(room, rtcLab.newGhost());
    await gateway.rtc.prepare(call.request, call.facts.push);
    const publishing = gateway.rtc.publish(call.request.callId).then(
      () => "written",
      (error: { code?: string }) => error.code,
    );
    // Not waiting for anything: the delayed leave, then the membership are on their way at these moments.
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await gateway.rtc.leave(call.request.callId);
    expect(["SHUTTING_DOWN", "written"]).toContain(await publishing);
    await expectNothingLeft(call.request.ghost);
  }
}, 60_000);

test("the call is told when the last person leaves and when one comes back", async () => {
  await startCall();
  const { request, facts } = await addPhone();
  const other = await addPhone();
  await alice.leave();
  await facts.next("alone", ({ type }) => type === "rtc.alone");
  await other.facts.next("alone", ({ type }) => type === "rtc.alone");
  await alice.join(room);
  await facts.next("accompanied", ({ type }) => type === "rtc.accompanied");
  expect(facts.all.map(({ type }) => type)).toEqual(["rtc.alone", "rtc.accompanied"]);
  await Promise.all([gateway.rtc.leave(request.callId), gateway.rtc.leave(other.request.callId)]);
}, 60_000);

test.each(["kick", "ban"] as const)(
  "a phone that is put out by %s reports it and leaves nothing",
  async (how) => {
    await startCall();
    const { request, facts } = await addPhone();
    await asAlice("POST", how, { user_id: request.ghost });
    const reason = how === "kick" ? "kicked" : "banned";
    expect(await facts.next("removal", ({ type }) => type === "rtc.removed")).toEqual({ type: "rtc.removed", reason });
    await gateway.rtc.leave(request.callId);
    expect(await rtcLab.devicesOf(request.ghost)).toEqual([]);
    expect(await rtcLab.delayedOf(request.ghost)).toEqual([]);
  },
  60_000,
);

test("a phone whose device somebody deletes reports that it is lost", async () => {
  await startCall();
  const { request, facts, identity } = await addPhone();
  await rtcLab.homeserver.request({
    method: "DELETE",
    path: `/_matrix/client/v3/devices/${deviceOf(identity)}`,
    body: {},
    as: { userId: request.ghost },
  });
  const fact = await facts.next("loss", ({ type }) => type === "rtc.lost", 20_000);
  expect(fact).toMatchObject({ message: expect.stringContaining("refused the phone's membership") });
  await gateway.rtc.leave(request.callId);
  await expectNothingLeft(request.ghost);
}, 60_000);

test("the upgrade of the room is reported, and a replaced room takes no phone", async () => {
  await startCall();
  const { request, facts } = await addPhone();
  await asAlice("PUT", "state/m.room.tombstone/", { body: "moved", replacement_room: "!new:lab" });
  const fact = await facts.next("removal", ({ type }) => type === "rtc.removed");
  expect(fact).toEqual({ type: "rtc.removed", reason: "upgraded" });
  await gateway.rtc.leave(request.callId);
  await expectNothingLeft(request.ghost);

  const next = newCall(room, rtcLab.newGhost());
  await expect(gateway.rtc.prepare(next.request, next.facts.push)).rejects.toMatchObject({ code: "ROOM_UPGRADED" });
}, 60_000);

test("a room whose members may not write call members refuses the phone, naming the level", async () => {
  await startCall({ powerLevels: { events: { [MEMBER]: 42 } } });
  const call = newCall(room, rtcLab.newGhost());
  await expect(gateway.rtc.prepare(call.request, call.facts.push)).rejects.toMatchObject({
    code: "GHOST_LACKS_POWER",
    message: expect.stringContaining("42"),
  });
  await gateway.rtc.leave(call.request.callId);
  await expectNothingLeft(call.request.ghost);
}, 60_000);

test("power taken away before the membership is written refuses it", async () => {
  await startCall();
  const call = newCall(room, rtcLab.newGhost());
  await gateway.rtc.prepare(call.request, call.facts.push);
  const levels = (await asAlice("GET", "state/m.room.power_levels/", undefined)) as { events: object };
  await asAlice("PUT", "state/m.room.power_levels/", { ...levels, events: { ...levels.events, [MEMBER]: 50 } });
  await expect(gateway.rtc.publish(call.request.callId)).rejects.toMatchObject({ code: "GHOST_LACKS_POWER" });
  await gateway.rtc.leave(call.request.callId);
  await expectNothingLeft(call.request.ghost);
}, 60_000);

test("memberships of foreign senders and with broken content are neither believed nor fatal", async () => {
  await startCall();
  const { request, facts } = await addPhone();
  const forged = {
    application: "m.call",
    call_id: "",
    scope: "m.room",
    device_id: "FORGED",
    focus_active: { type: "livekit", focus_selection: "multi_sfu" },
    foci_preferred: [],
  };
  await asAlice("PUT", `state/${MEMBER}/${encodeURIComponent("_@bob:lab_FORGED_m.call")}`, forged);
  await gateway.counters.next("foreign sender", (counter) => counter === "member.foreign-sender");
  for (const [device, content] of Object.entries({
    A: { ...forged, device_id: 7 },
    B: { application: null, call_id: [], device_id: {} },
    C: { ...forged, device_id: "C", focus_active: "livekit" },
  })) {
    const key = encodeURIComponent(`_${alice.user.userId}_${device}_m.call`);
    await asAlice("PUT", `state/${MEMBER}/${key}`, content);
  }
  await gateway.counters.next("broken membership", () => {
    return gateway.counters.all.filter((counter) => counter === "member.broken").length === 3;
  });
  // Alice is the only person that counts, so when she leaves the phones are alone.
  await alice.leave();
  await facts.next("alone", ({ type }) => type === "rtc.alone");
  expect(facts.all.map(({ type }) => type)).toEqual(["rtc.alone"]);
  await gateway.rtc.leave(request.callId);
}, 60_000);

test("a new token is given to a running session", async () => {
  await startCall();
  const { request, identity } = await addPhone();
  const renewed = await gateway.rtc.renewAccess(request.callId);
  expect(renewed).toMatchObject({ identity, encrypted: false, sfuUrl: rtcLab.lab.livekit.wsUrl });
  await gateway.rtc.leave(request.callId);
}, 60_000);

test("a phone works in a room of version 12", async () => {
  await startCall({ roomVersion: "12" });
  const { request, identity } = await addPhone();
  expect(room).not.toContain(":");
  await alice.members.next("the phone", (identities) => identities.includes(identity));
  await gateway.rtc.leave(request.callId);
  await expectNothingLeft(request.ghost);
}, 60_000);

/** What a gateway that died leaves: a device, a membership with it, and its delayed leave. */
const leaveBehind = async (ghost: GhostUserId): Promise<void> => {
  const { homeserver } = rtcLab;
  await gateway.deps.ensureGhost(ghost, "+33 1 40 50 60 70");
  await gateway.deps.inviteAsBot(room, ghost);
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}`;
  const key = encodeURIComponent(`_${ghost}_GWDEAD_m.call`);
  const as = { userId: ghost };
  const content = {
    application: "m.call",
    call_id: "",
    device_id: "GWDEAD",
    focus_active: { type: "livekit", focus_selection: "multi_sfu" },
    foci_preferred: [],
  };
  await homeserver.request({ method: "PUT", path: "/_matrix/client/v3/devices/GWDEAD", body: {}, as });
  await homeserver.request({ method: "POST", path: `${path}/join`, body: {}, as });
  const delayed = `${path}/state/${MEMBER}/${key}?org.matrix.msc4140.delay=18000`;
  await homeserver.request({ method: "PUT", path: delayed, body: {}, as });
  await homeserver.request({ method: "PUT", path: `${path}/state/${MEMBER}/${key}`, body: content, as });
};

test("what a crashed gateway left is cleaned up", async () => {
  await startCall();
  const ghost = rtcLab.newGhost();
  await leaveBehind(ghost);
  await gateway.rtc.cleanUp(ghost, room);
  await expectNothingLeft(ghost);
  expect(await rtcLab.membershipOf(room, ghost, alice.user)).toBe("join");
  await gateway.rtc.cleanUp(ghost, room, { leaveRoom: true });
  expect(await rtcLab.membershipOf(room, ghost, alice.user)).toBe("leave");
}, 60_000);

test("the ghost's next call removes what a crashed one left of its membership", async () => {
  await startCall();
  const call = newCall(room, rtcLab.newGhost());
  const { ghost, callId } = call.request;
  await leaveBehind(ghost);
  const { identity } = await gateway.rtc.prepare({ ...call.request, inviteFirst: false }, call.facts.push);
  await gateway.rtc.publish(callId);
  const live = (await rtcLab.stateOf(room, ghost)).filter(({ content }) => Object.keys(content).length > 0);
  expect(live.map(({ content }) => content["device_id"])).toEqual([deviceOf(identity)]);
  expect(await rtcLab.delayedOf(ghost)).toHaveLength(1);
  await gateway.rtc.leave(callId);
}, 60_000);

test("a live session is spared by the cleaning", async () => {
  await startCall();
  const { request, identity } = await addPhone();
  await gateway.rtc.cleanUp(request.ghost, room);
  expect(await rtcLab.devicesOf(request.ghost)).toEqual([deviceOf(identity)]);
  expect(await rtcLab.delayedOf(request.ghost)).toHaveLength(1);
  expect((await rtcLab.stateOf(room, request.ghost))[0]?.content).toMatchObject({ device_id: deviceOf(identity) });
  await gateway.rtc.leave(request.callId);
}, 60_000);
