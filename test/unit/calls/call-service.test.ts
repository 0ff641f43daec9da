import { describe, expect, test } from "@jest/globals";
import { GatewayError } from "../../../src/errors.ts";
import { callId, ghostUserId, legId, roomId, userId } from "../../../src/ids.ts";
import { ACCESS, aRoomView, ROOM } from "../../support/fake-ports.ts";
import { add, alice, answered, BOB, bob, CLOSED, codeOf, setUp } from "./service-fixtures.ts";

describe("a call that works", () => {
  test("dials at once, gets the ghost ready while it rings, opens the path on answer, and leaves nothing behind", async () => {
    const { world, calls } = setUp();
    const record = await calls.add(add);
    expect(record.state).toBe("alerting");
    expect(world.calls.slice(0, 2)).toEqual(["dial", "prepare"]);
    expect(world.dialled[0]?.request).toMatchObject({
      dialString: "+33140506070",
      ringTimeoutMs: 60_000,
      maxDurationMs: 14_400_000,
    });
    expect(world.prepared[0]?.request).toMatchObject({
      ghost: "@tel_+33140506070:example.org",
      displayName: "+33 1 40 50 60 70",
      inviteFirst: true,
    });
    await answered(world);
    expect(calls.get(record.callId)?.state).toBe("active");
    expect(world.joined[0]?.session.access).toBe(ACCESS);
    expect(world.calls).toEqual(["dial", "prepare", "publish", "join", "attach", "bridge"]);
    expect(world.notices).toEqual([{ kind: "phone-leaves-encryption" }]);
    expect(world.open()).toEqual({ legs: 1, ghosts: 1, memberships: 1, media: 1 });

    const hungUp = await calls.hangup({ callId: record.callId, subject: alice });
    expect(hungUp).toMatchObject({ state: "ending", outcome: "completed" });
    await world.flush();
    expect(calls.get(record.callId)).toMatchObject({ state: "ended", outcome: "completed" });
    expect(world.open()).toEqual(CLOSED);
    expect(world.clock.armed()).toBe(0);
    expect(world.notices).toHaveLength(1);
    expect(world.transitions.map(({ state }) => state)).toEqual([
      "alerting",
      "connecting",
      "active",
      "ending",
      "ended",
    ]);
  });

  test("an invited ghost is not invited again, and the room is seen through it", async () => {
    const { world, calls } = setUp();
    world.setRoom(() => Promise.reject(new GatewayError("BOT_NOT_IN_ROOM", "no bot")));
    await calls.add({ ...add, via: "invite" });
    expect(world.calls).toContain("viewAsGhost");
    expect(world.prepared[0]?.request.inviteFirst).toBe(false);
    expect(await codeOf(calls.add({ ...add, number: "1001" }))).toBe("BOT_NOT_IN_ROOM");
  });

  test("the room is told once for all phones that run at a time", async () => {
    const { world, calls } = setUp();
    const first = await calls.add(add);
    const second = await calls.add({ ...add, number: "1001" });
    await world.flush();
    expect(world.notices).toEqual([{ kind: "phone-leaves-encryption" }]);
    await calls.hangup({ callId: first.callId, subject: alice });
    await calls.hangup({ callId: second.callId, subject: alice });
    await world.flush();
    await calls.add(add);
    await world.flush();
    expect(world.notices.filter(({ kind }) => kind === "phone-leaves-encryption")).toHaveLength(2);
  });
});

describe("refusals", () => {
  test.each([
    ["INVALID_NUMBER", { number: "1001@evil" }, {}],
    ["NUMBER_NOT_PERMITTED", { number: "+442079460000" }, {}],
    ["EMERGENCY_NOT_PERMITTED", { number: "0112" }, {}],
    ["ROOM_UPGRADED", {}, { replacedBy: roomId("!new:example.org") }],
    ["NO_LIVE_CALL", {}, { conference: [{ userId: BOB, isPhone: true }] }],
    ["GHOST_LACKS_POWER", {}, { memberEventPower: { needed: 50, ghost: 0 } }],
    ["BOT_CANNOT_INVITE", {}, { botCanInvite: false }],
  ] as const)("%s", async (code, request, view) => {
    const { world, calls } = setUp();
    world.setRoom(async () => aRoomView(view));
    expect(await codeOf(calls.add({ ...add, ...request }))).toBe(code);
    expect(world.calls).toEqual([]);
    expect(world.saved).toEqual([]);
    world.setRoom(async () => aRoomView());
    expect(await codeOf(calls.add(add))).toBe("no error");
  });

  test("NO_ROUTE when no trunk takes the number", async () => {
    const { calls } = setUp({ trunks: [] });
    expect(await codeOf(calls.add(add))).toBe("NO_ROUTE");
  });

  test("the power a ghost lacks is said", async () => {
    const { world, calls } = setUp();
    world.setRoom(async () => aRoomView({ memberEventPower: { needed: 50, ghost: 0 } }));
    await expect(calls.add(add)).rejects.toThrow(/power level 50 .* a phone has 0/);
  });

  test("two requests at the same moment dial once, and the same number may be in another room", async () => {
    const { world, calls } = setUp();
    const codes = await Promise.all([codeOf(calls.add(add)), codeOf(calls.add({ ...add, number: "01 40 50 60 70" }))]);
    expect(codes.toSorted()).toEqual(["ALREADY_IN_CALL", "no error"]);
    await calls.add({ ...add, roomId: roomId("!other:example.org") });
    expect(world.dialled).toHaveLength(2);
  });

  test("a number whose call is just ending is dialled when its ghost has left", async () => {
    const { world, calls } = setUp({}, "manual");
    const first = await calls.add(add);
    await calls.hangup({ callId: first.callId, subject: alice });
    const second = calls.add(add);
    await world.flush();
    expect(world.dialled).toHaveLength(1);
    while (world.pending.length > 0) {
      world.pending[0]?.settle(true);
      await world.flush();
      if (world.dialled.length === 2) break;
    }
    expect((await second).state).toBe("alerting");
  });

  test("two calls per user, ten per gateway", async () => {
    const { calls } = setUp();
    for (const number of ["1001", "1002"]) await calls.add({ ...add, number });
    expect(await codeOf(calls.add({ ...add, number: "1003" }))).toBe("LIMIT_REACHED");
    for (let user = 0; user < 8; user += 1) {
      await calls.add({
        ...add,
        number: `12${user}0`,
        subject: { kind: "user", userId: userId(`@u${user}:example.org`) },
      });
    }
    expect(await codeOf(calls.add({ ...add, number: "1003", subject: bob }))).toBe("LIMIT_REACHED");
  });
});

describe("hanging up", () => {
  test("is for who added the phone and for members who may kick", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    expect(await codeOf(calls.hangup({ callId: id, subject: bob }))).toBe("NOT_YOUR_CALL");
    expect(await codeOf(calls.hangup({ callId: id, subject: { kind: "token", name: "crm" } }))).toBe("NOT_YOUR_CALL");
    expect(await codeOf(calls.hangup({ callId: callId("none"), subject: alice }))).toBe("CALL_NOT_FOUND");
    world.setRoom(async () => aRoomView({ canKick: (user) => user === BOB }));
    expect(await calls.hangup({ callId: id, subject: bob })).toMatchObject({ outcome: "removed" });
    await world.flush();
    expect(await calls.hangup({ callId: id, subject: alice })).toMatchObject({ state: "ended", outcome: "removed" });
    expect(calls.inRoom(ROOM)).toEqual([]);
  });

  test("before the answer is a cancel, and a ghost that gets ready too late leaves again", async () => {
    const { world, calls } = setUp({}, "manual");
    const { callId: id } = await calls.add(add);
    expect(await calls.hangup({ callId: id, subject: alice })).toMatchObject({ outcome: "cancelled" });
    world.clock.advance(2000);
    expect(calls.get(id)?.state).toBe("ended");
    const prepare = world.pending.find(({ name }) => name === "prepare");
    for (const { settle } of world.pending.filter((pending) => pending !== prepare)) settle(true);
    prepare?.settle(true);
    await world.flush();
    expect(world.open().ghosts).toBe(1);
    world.pending[0]?.settle(true);
    await world.flush();
    expect(world.open()).toEqual(CLOSED);
  });

  test("a ghost that was kicked hangs its phone up", async () => {
    const { world, calls } = setUp();
    const { callId: id, ghost } = await calls.add(add);
    calls.ghostRemoved(roomId("!elsewhere:example.org"), ghost, "kicked");
    expect(calls.get(id)?.state).toBe("alerting");
    calls.ghostRemoved(ROOM, ghost, "kicked");
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "removed" });
  });
});

describe("start and stop of the gateway", () => {
  test("shutdown ends every call and refuses new ones", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await calls.shutdown(5000);
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "shutdown" });
    expect(world.open()).toEqual(CLOSED);
    expect(await codeOf(calls.add(add))).toBe("SHUTTING_DOWN");
  });

  test("shutdown does not wait longer than it may", async () => {
    const { world, calls } = setUp({ options: { releaseTimeoutMs: 60_000 } }, "manual");
    const { callId: id } = await calls.add(add);
    const stopped = calls.shutdown(5000);
    world.clock.advance(5000);
    await stopped;
    expect(calls.get(id)?.state).toBe("ending");
  });

  test("what a crash left behind is ended: stored calls, their ghosts, orphaned legs", async () => {
    const { world, calls } = setUp();
    const ghost = ghostUserId("@tel_1001:example.org");
    await calls.add(add);
    const [left] = world.saved;
    if (left === undefined) throw new Error("nothing was saved");
    world.ports.store.save({ ...left, callId: callId("crashed"), legId: legId("crashed-1"), ghost, state: "active" });
    world.ports.sip.dial({ ...world.dialled[0]!.request, legId: legId("orphan-1") }, () => undefined);
    const number = { ...left, callId: callId("forwarded"), legId: legId("forwarded-1"), forwardedFrom: left.number };
    world.ports.store.save({ ...number, ghost: ghostUserId("@tel_1002:example.org"), state: "active" });
    await calls.recoverCalls();
    expect(calls.get(callId("forwarded"))).toMatchObject({ state: "ended", outcome: "shutdown" });
    // It has no ghost in the room.
    expect(world.calls.filter((name) => name.startsWith("cleanUp"))).toHaveLength(1);
    expect(calls.get(callId("crashed"))).toMatchObject({ state: "ended", outcome: "shutdown" });
    expect(world.calls).toContain(`cleanUp ${ghost} ${ROOM}`);
    expect(await world.ports.sip.listLegs()).toEqual([world.dialled[0]?.request.legId]);
  });
});
