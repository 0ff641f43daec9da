// One-to-one calls: a person calls a number in their chat, or a phone calls the number of a person.
import { describe, expect, test } from "@jest/globals";
import type { MissedCall, PersonPort } from "../../../src/calls/person.ts";
import type { IncomingCall, RtcFact } from "../../../src/calls/ports.ts";
import { GatewayError } from "../../../src/errors.ts";
import { ghostUserId, legId, roomId, trunkId } from "../../../src/ids.ts";
import { ALICE, aRoomView, type FakeWorld, LEG_MEDIA } from "../../support/fake-ports.ts";
import { add, alice, answered, bob, BOB, CHAT, CLOSED, codeOf, setUp, somePeople, trunk } from "./service-fixtures.ts";

const GHOST = ghostUserId("@tel_+33140506070:example.org");
const call = { ...add, roomId: CHAT, via: "chat" } as const;
const chat = aRoomView({ roomId: CHAT, botJoined: false, botCanInvite: false, people: () => [ALICE, GHOST] });

const calling = async () => {
  const { world, calls } = setUp();
  world.setRoom(async () => chat);
  const record = await calls.add(call);
  await world.flush();
  return { world, calls, record };
};

const incoming = (changes: Partial<IncomingCall> = {}): IncomingCall => ({
  legId: legId("in-1"),
  trunkId: trunkId("first"),
  called: "1500",
  caller: { number: "+33612345678", isHidden: false },
  ...changes,
});

const ringing = async (people: Partial<PersonPort> = {}) => {
  const { world, calls } = setUp({ people: somePeople(people) });
  world.ring(incoming());
  await world.flush();
  world.accepted.at(-1)?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
  await world.flush();
  return { world, calls };
};

const fact = (world: FakeWorld) => (told: RtcFact) => world.prepared.at(-1)?.fact(told);

describe("a person calls a number", () => {
  test("the membership of the ghost comes with the answer, as Element Call takes it for one", async () => {
    const { world } = await calling();
    expect(world.prepared[0]?.request).toMatchObject({ person: ALICE, inviteFirst: false });
    world.dialled[0]?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
    world.dialled[0]?.fact({ type: "leg.ringing" });
    await world.flush();
    expect(world.calls).not.toContain("publish");
    world.dialled[0]?.fact({ type: "leg.answered" });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "active", person: ALICE });
    expect(world.open().memberships).toBe(1);
  });

  const early = async (earlyMedia?: "answer") => {
    const { world, calls } = setUp({ trunks: [{ ...trunk("first"), ...(earlyMedia && { earlyMedia }) }] });
    world.setRoom(async () => chat);
    await calls.add(call);
    await world.flush();
    world.dialled[0]?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
    world.dialled[0]?.fact({ type: "leg.progress" });
    await world.flush();
    return world;
  };

  test("what a number says before it answers is heard where the trunk wants it: for Element Call that is the answer", async () => {
    expect((await early()).calls).not.toContain("publish");
    const world = await early("answer");
    expect(world.calls.filter((name) => ["publish", "bridge"].includes(name))).toEqual(["publish", "bridge"]);
    expect(world.saved.at(-1)).toMatchObject({ state: "alerting" });
    world.dialled[0]?.fact({ type: "leg.progress" });
    world.dialled[0]?.fact({ type: "leg.answered" });
    await world.flush();
    expect(world.calls.filter((name) => name === "publish")).toHaveLength(1);
    expect(world.saved.at(-1)).toMatchObject({ state: "active" });
  });

  test("an announcement without an answer ends the call as what it was", async () => {
    const world = await early("answer");
    const cause = { sipStatus: 404 };
    world.dialled[0]?.fact({ type: "leg.ended", outcome: "invalid-number", cause, tryNextTrunk: false });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "invalid-number" });
    expect(world.saved.at(-1)?.answeredAtMs).toBeUndefined();
    expect(world.open()).toEqual(CLOSED);
  });

  test("an answer before the ghost is ready waits for it", async () => {
    const { world, calls } = setUp({}, "manual");
    world.setRoom(async () => chat);
    await calls.add(call);
    world.dialled[0]?.fact({ type: "leg.answered" });
    await world.flush();
    expect(world.calls).not.toContain("publish");
    world.pending.find(({ name }) => name === "prepare")?.settle(true);
    await world.flush();
    expect(world.calls).toContain("publish");
  });

  test("the phone stops ringing when the person gives up", async () => {
    const { world } = await calling();
    fact(world)({ type: "rtc.alone" });
    await world.flush();
    expect(world.hangups).toMatchObject([{ outcome: "cancelled" }]);
    expect(world.open()).toEqual(CLOSED);
  });

  test("the call ends at once when the person leaves it, and by their own word", async () => {
    const left = await calling();
    await answered(left.world);
    fact(left.world)({ type: "rtc.alone" });
    await left.world.flush();
    expect(left.world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "completed" });

    const hungUp = await calling();
    await hungUp.calls.hangup({ callId: hungUp.record.callId, subject: alice });
    await hungUp.world.flush();
    expect(hungUp.world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "cancelled" });
  });

  test("a busy phone says nothing in the room by itself: the line of the call does", async () => {
    const { world } = await calling();
    world.dialled[0]?.fact({ type: "leg.ended", outcome: "busy", cause: { sipStatus: 486 }, tryNextTrunk: false });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "busy" });
    expect(world.notices).toEqual([]);
  });

  test.each([
    ["a third member", aRoomView({ roomId: CHAT, people: () => [ALICE, GHOST, BOB] }), "BAD_REQUEST"],
    ["a person who is not in the call", aRoomView({ roomId: CHAT, conference: [] }), "NO_LIVE_CALL"],
    [
      "somebody else in the call",
      aRoomView({ roomId: CHAT, conference: [{ userId: BOB, isPhone: false }], people: () => [ALICE, GHOST] }),
      "NO_LIVE_CALL",
    ],
  ])("%s: nobody is dialled", async (_what, view, code) => {
    const { world, calls } = setUp();
    world.setRoom(async () => view);
    expect(await codeOf(calls.add(call))).toBe(code);
    expect(world.dialled).toEqual([]);
  });
});

describe("a phone calls a person", () => {
  test("membership, ring, then their membership is the answer", async () => {
    const { world, calls } = await ringing();
    expect(calls.inRoom(CHAT)).toMatchObject([{ person: BOB, state: "alerting", direction: "inbound" }]);
    expect(world.prepared[0]?.request).toMatchObject({ person: BOB, inviteFirst: false, roomId: CHAT });
    expect(world.calls.filter((name) => ["publish", "ring", "answer"].includes(name))).toEqual(["publish", "ring"]);
    fact(world)({ type: "rtc.accompanied" });
    await world.flush();
    expect(world.calls).toContain("answer");
    expect(world.saved.at(-1)).toMatchObject({ state: "active" });
    fact(world)({ type: "rtc.alone" });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "completed" });
    expect(world.open()).toEqual(CLOSED);
  });

  test.each([
    ["they decline", (world: FakeWorld) => fact(world)({ type: "rtc.declined" }), "declined"],
    ["nobody answers", (world: FakeWorld) => world.clock.advance(60_000), "no-answer"],
  ])("%s", async (_what, happen, outcome) => {
    const { world } = await ringing();
    happen(world);
    await world.flush();
    expect(world.hangups).toMatchObject([{ legId: "in-1", outcome }]);
    expect(world.open()).toEqual(CLOSED);
  });

  test("the phone gives up: the membership goes, and with it the ringing", async () => {
    const { world } = await ringing();
    world.accepted[0]?.fact({ type: "leg.ended", outcome: "cancelled", cause: {}, tryNextTrunk: false });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "cancelled" });
    expect(world.open()).toEqual(CLOSED);
  });

  test("a person in another call is busy, and is told", async () => {
    const missed: MissedCall[] = [];
    const { world } = await ringing({ missed: (one) => void missed.push(one) });
    world.ring(incoming({ legId: legId("in-2"), caller: { number: "1001", isHidden: false } }));
    await world.flush();
    expect(world.hangups).toMatchObject([{ legId: "in-2", outcome: "busy" }]);
    expect(missed).toMatchObject([{ person: BOB, outcome: "busy", ghost: "@tel_1001:example.org" }]);
  });

  test("a person in a conference with a phone is busy", async () => {
    const { world, calls } = setUp();
    world.setRoom(async () => aRoomView({ conference: [{ userId: BOB, isPhone: false }] }));
    await calls.add(add);
    world.ring(incoming());
    await world.flush();
    expect(world.hangups).toMatchObject([{ legId: "in-1", outcome: "busy" }]);
  });

  test.each([
    ["without a device", { hasDevice: async () => false }, "unreachable"],
    [
      "whose chat cannot be made",
      { chatWith: () => Promise.reject(new GatewayError("HOMESERVER_REFUSED", "no")) },
      "room-unavailable",
    ],
  ])("a person %s is not rung", async (_what, people, outcome) => {
    const { world } = await ringing(people);
    expect(world.hangups).toMatchObject([{ legId: "in-1", outcome }]);
    expect(world.accepted).toEqual([]);
  });

  test("a person who has not accepted the chat with the caller is rung by their own number, in the caller's name", async () => {
    const ghost = ghostUserId("@tel_2002:example.org");
    const own = roomId("!own:example.org");
    const { world, calls } = await ringing({ chatWith: async () => ({ roomId: own, ghost, ghostName: "Bob" }) });
    expect(world.prepared.map(({ request }) => request)).toMatchObject([
      { roomId: own, ghost, displayName: "Bob", nameInRoom: "+33*******78", person: BOB },
    ]);
    expect(calls.inRoom(own)).toMatchObject([{ ghost, name: "+33*******78", person: BOB }]);
  });

  test("when both call each other, the call that came in is taken and the other one ends", async () => {
    const { world, calls } = setUp({ people: somePeople({ personOf: () => ALICE }) });
    world.setRoom(async () => ({ ...chat, people: () => [ALICE, ghostUserId("@tel_1001:example.org")] }));
    const { callId } = await calls.add({ ...call, number: "1001" });
    world.ring(incoming({ caller: { number: "1001", isHidden: false } }));
    await world.flush();
    expect(calls.get(callId)).toMatchObject({ state: "ended", outcome: "cancelled" });
    world.accepted[0]?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
    fact(world)({ type: "rtc.accompanied" });
    await world.flush();
    expect(calls.inRoom(CHAT)).toMatchObject([{ direction: "inbound", state: "active" }]);
  });
});

describe("in the call", () => {
  const talking = async () => {
    const { world, calls, record } = await calling();
    await answered(world);
    const { callId } = record;
    return { world, calls, callId };
  };

  test("keys go to the phone of whoever may hang it up", async () => {
    const { world, calls, callId } = await talking();
    await calls.press({ callId, subject: alice, keys: "12 a#" });
    expect(world.calls).toContain("press 12A#");
    expect(await codeOf(calls.press({ callId, subject: bob, keys: "1" }))).toBe("NOT_YOUR_CALL");
    for (const keys of ["", "x", "1".repeat(65)]) {
      expect(await codeOf(calls.press({ callId, subject: alice, keys }))).toBe("BAD_REQUEST");
    }
  });

  test("a transfer ends the call as transferred, and is up to the policy of who asks", async () => {
    const { world, calls, callId } = await talking();
    expect(await codeOf(calls.transfer({ callId, subject: bob, number: "1001" }))).toBe("NOT_YOUR_CALL");
    expect(await codeOf(calls.transfer({ callId, subject: alice, number: "+442079460000" }))).toBe(
      "NUMBER_NOT_PERMITTED",
    );
    await calls.transfer({ callId, subject: alice, number: "01 99 00 00 00" });
    await world.flush();
    expect(world.calls.filter((name) => name.startsWith("transfer"))).toEqual(["transfer +33199000000"]);
    expect(calls.get(callId)).toMatchObject({ state: "ended", outcome: "transferred" });
  });

  test("nothing of it before the answer", async () => {
    const { calls, record } = await calling();
    const { callId } = record;
    expect(await codeOf(calls.press({ callId, subject: alice, keys: "1" }))).toBe("CALL_NOT_FOUND");
    expect(await codeOf(calls.transfer({ callId, subject: alice, number: "1001" }))).toBe("CALL_NOT_FOUND");
  });
});
