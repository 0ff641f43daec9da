// Calls to a person who does not take them go on: to another person, or to a number, once, and only where the person may call.
import { describe, expect, test } from "@jest/globals";
import type { Forward } from "../../../src/calls/forward.ts";
import type { MissedCall } from "../../../src/calls/person.ts";
import type { IncomingCall, LegFact } from "../../../src/calls/ports.ts";
import { legId, trunkId, userId } from "../../../src/ids.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { canonicalDigits } from "../../../src/numbering/phone-number.ts";
import { createPolicy } from "../../../src/policy/policy.ts";
import { ALICE, type FakeWorld, LEG_MEDIA } from "../../support/fake-ports.ts";
import { answered, BOB, bob, CHAT, CLOSED, setUp, somePeople } from "./service-fixtures.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const of = (number: string) => parseNumber(number, plan);

const incoming: IncomingCall = {
  legId: legId("in-1"),
  trunkId: trunkId("first"),
  called: "1500",
  caller: { number: "+33612345678", isHidden: false },
};

/** Bob has 1500, Alice 1600; where bob's calls go on. Alice forwards to bob. */
const setUpForward = (forward: Forward, changes: Parameters<typeof setUp>[0] = {}, people = {}) => {
  const missed: MissedCall[] = [];
  const users: Readonly<Record<string, typeof BOB>> = { "1500": BOB, "1600": ALICE };
  const forwards: Readonly<Record<string, Forward>> = {
    "1500": forward,
    "1600": { noAnswer: of("1500"), busy: of("1500") },
  };
  const { world, calls } = setUp({
    people: somePeople({
      personOf: (number) => users[canonicalDigits(number)],
      forwardOf: (number) => forwards[canonicalDigits(number)],
      missed: (call) => void missed.push(call),
      ...people,
    }),
    ...changes,
  });
  return { world, calls, missed };
};

const ringing = async (...given: Parameters<typeof setUpForward>) => {
  const made = setUpForward(...given);
  made.world.ring(incoming);
  await made.world.flush();
  return made;
};

const dialledFact = (world: FakeWorld) => (fact: LegFact) => world.dialled.at(-1)?.fact(fact);
const ended = (outcome: "busy" | "no-answer" | "completed"): LegFact => ({
  type: "leg.ended",
  outcome,
  cause: { sipStatus: 486 },
  tryNextTrunk: false,
});

describe("to a number", () => {
  test("nobody answers in time: the number is dialled while the caller goes on hearing it ring, and the two are connected", async () => {
    const { world, calls } = await ringing({ noAnswer: of("01 99 00 00 00") });
    world.clock.advance(19_999);
    await world.flush();
    expect(world.dialled).toEqual([]);
    world.clock.advance(1);
    await world.flush();
    expect(world.hangups).toEqual([]);
    expect(world.open()).toEqual({ legs: 2, ghosts: 0, memberships: 0, media: 0 });
    const [first] = world.dialled;
    expect(first?.request).toMatchObject({
      dialString: "+33199000000",
      withoutAudio: true,
      maxDurationMs: 4 * 3_600_000,
    });
    expect(world.saved.find(({ state, direction }) => state === "ended" && direction === "inbound")).toMatchObject({
      person: BOB,
      outcome: "no-answer",
      forwardedTo: { e164: "+33199000000" },
    });
    dialledFact(world)({ type: "leg.ringing" });
    dialledFact(world)({ type: "leg.answered" });
    await world.flush();
    expect(world.calls.at(-2)).toBe(`connect in-1 ${first?.request.legId}`);
    expect(world.saved.at(-1)).toMatchObject({
      direction: "outbound",
      state: "active",
      roomId: CHAT,
      number: { e164: "+33199000000" },
      forwardedFrom: { e164: "+33612345678" },
      subject: bob,
    });
    // It is in no room, and bob is not in it.
    expect(calls.inRoom(CHAT)).toEqual([]);
    world.accepted.at(-1)?.fact(ended("completed"));
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "completed" });
    const outbound = world.transitions.filter(({ direction }) => direction === "outbound");
    expect(outbound.map(({ state }) => state)).toEqual(["alerting", "connecting", "active", "ending", "ended"]);
    expect(world.open()).toEqual(CLOSED);
    expect(world.clock.armed()).toBe(0);
  });

  test.each([
    ["declined", { declined: of("1700") }],
    ["busy", { busy: of("1700") }],
    ["unreachable", { noAnswer: of("1700") }],
  ] as const)("%s: only with a destination for it", async (outcome, forward) => {
    for (const given of [forward, {}]) {
      const hasDevice = async (): Promise<boolean> => outcome !== "unreachable";
      const { world, missed } = setUpForward(given, {}, { hasDevice });
      if (outcome === "busy") {
        world.ring({ ...incoming, legId: legId("in-0"), caller: { number: "1001", isHidden: false } });
        await world.flush();
      }
      world.ring(incoming);
      await world.flush();
      if (outcome === "declined") world.prepared.at(-1)?.fact({ type: "rtc.declined" });
      await world.flush();
      const isForwarded = given === forward;
      expect(world.dialled.map(({ request }) => request.dialString)).toEqual(isForwarded ? ["1700"] : []);
      expect(world.hangups.filter((one) => one.legId === "in-1")).toMatchObject(isForwarded ? [] : [{ outcome }]);
      const told = isForwarded ? { forwardedTo: { extension: "1700" } } : {};
      // A call that rang has a line of its own.
      expect(missed).toMatchObject(outcome === "declined" ? [] : [{ person: BOB, outcome, ...told }]);
    }
  });

  test("what it answers to the call is what the caller gets, and who gives up ends the dialling", async () => {
    const busy = await ringing({ noAnswer: of("1700") });
    busy.world.clock.advance(20_000);
    await busy.world.flush();
    dialledFact(busy.world)(ended("busy"));
    await busy.world.flush();
    expect(busy.world.hangups.at(-1)).toEqual({ legId: "in-1", outcome: "busy" });
    expect(busy.world.open()).toEqual(CLOSED);

    const left = await ringing({ noAnswer: of("1700") });
    left.world.clock.advance(20_000);
    await left.world.flush();
    left.world.accepted.at(-1)?.fact({ type: "leg.ended", outcome: "cancelled", cause: {}, tryNextTrunk: false });
    await left.world.flush();
    expect(left.world.hangups).toContainEqual({ legId: left.world.dialled[0]?.request.legId, outcome: "cancelled" });
    expect(left.world.open()).toEqual(CLOSED);
  });

  test("the next trunk is tried, and a 200 that crosses the end connects nobody", async () => {
    const { world } = await ringing({ noAnswer: of("1700") });
    world.clock.advance(20_000);
    await world.flush();
    dialledFact(world)({ type: "leg.ended", outcome: "trunk-failed", cause: {}, tryNextTrunk: true });
    await world.flush();
    expect(world.dialled.map(({ request }) => request.trunkId)).toEqual(["first", "second"]);
    world.accepted.at(-1)?.fact({ type: "leg.ended", outcome: "cancelled", cause: {}, tryNextTrunk: false });
    dialledFact(world)({ type: "leg.answered" });
    await world.flush();
    expect(world.calls.filter((name) => name.startsWith("connect"))).toEqual([]);
    expect(world.open()).toEqual(CLOSED);
  });

  test("legs that cannot be connected end", async () => {
    const { world } = await ringing({ noAnswer: of("1700") });
    world.clock.advance(20_000);
    await world.flush();
    world.ports.sip.connect = () => Promise.reject(new Error("no"));
    dialledFact(world)({ type: "leg.answered" });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "media-failed" });
    expect(world.open()).toEqual(CLOSED);
  });

  test("it counts as an outbound call of the person, can be hung up by them, and ends when the gateway does", async () => {
    const { world, calls } = await ringing({ noAnswer: of("1700") }, { options: { maxCallsPerUser: 1 } });
    world.clock.advance(20_000);
    await world.flush();
    world.ring({ ...incoming, legId: legId("in-2") });
    await world.flush();
    world.clock.advance(20_000);
    await world.flush();
    expect(world.dialled).toHaveLength(1);
    expect(world.hangups).toEqual([{ legId: "in-2", outcome: "no-answer" }]);

    await answered(world);
    const forwarded = world.saved.findLast(({ forwardedFrom }) => forwardedFrom !== undefined);
    await calls.hangup({ callId: forwarded!.callId, subject: bob });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "completed" });

    world.ring({ ...incoming, legId: legId("in-3") });
    await world.flush();
    world.clock.advance(20_000);
    await world.flush();
    await calls.shutdown(1000);
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "shutdown" });
    expect(world.open()).toEqual(CLOSED);
  });
});

describe("to another person", () => {
  const ringingAlice = async () => {
    const made = await ringing({ noAnswer: of("1600") });
    made.world.clock.advance(20_000);
    await made.world.flush();
    return made;
  };

  test("their clients ring next, with the same caller, and they talk", async () => {
    const { world } = await ringingAlice();
    expect(world.prepared.map(({ request }) => request.person)).toEqual([BOB, ALICE]);
    expect(world.accepted.map((leg) => leg.legId)).toEqual(["in-1", "in-1"]);
    expect(world.dialled).toEqual([]);
    world.accepted.at(-1)?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
    world.prepared.at(-1)?.fact({ type: "rtc.accompanied" });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ person: ALICE, state: "active", direction: "inbound" });
  });

  test("a call is forwarded once, also where two people forward to each other", async () => {
    const { world } = await ringingAlice();
    world.clock.advance(59_999);
    expect(world.hangups).toEqual([]);
    world.clock.advance(1);
    await world.flush();
    expect(world.prepared).toHaveLength(2);
    expect(world.hangups).toEqual([{ legId: "in-1", outcome: "no-answer" }]);
    expect(world.saved.at(-1)?.forwardedTo).toBeUndefined();
    expect(world.open()).toEqual(CLOSED);
  });

  test("a caller who hangs up in the moment of forwarding is not rung for", async () => {
    const { world } = await ringingAlice();
    world.accepted.at(-1)?.fact({ type: "leg.ended", outcome: "cancelled", cause: {}, tryNextTrunk: false });
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ person: ALICE, state: "ended", outcome: "cancelled" });
    expect(world.open()).toEqual(CLOSED);
  });
});

describe("what is not permitted", () => {
  test.each([
    ["a number that the person may not dial", { noAnswer: of("+442079460000") }],
    ["the person's own number", { noAnswer: of("1500") }],
    ["a number without a trunk", { noAnswer: of("112") }],
  ])("%s: nobody answers after the usual time, and it is refused", async (_what, forward) => {
    const { world } = await ringing(forward);
    world.clock.advance(20_000);
    await world.flush();
    expect(world.hangups).toEqual([]);
    world.clock.advance(40_000);
    await world.flush();
    expect(world.hangups).toEqual([{ legId: "in-1", outcome: "no-answer" }]);
    expect(world.dialled).toEqual([]);
  });

  test("a person whom phones may not ring: 403 at once, and they are told", async () => {
    const policy = { rules: [], mayBeCalled: ["@alice:*"] };
    const { world } = setUpForward({ noAnswer: of("1700") });
    const told = setUpForward(
      { noAnswer: of("1700") },
      { policy: createPolicy({ options: policy, ownServer: "example.org", clock: world.clock }) },
    );
    told.world.ring(incoming);
    await told.world.flush();
    expect(told.world.hangups).toEqual([{ legId: "in-1", outcome: "not-permitted" }]);
    expect(told.missed).toMatchObject([{ person: BOB, outcome: "not-permitted" }]);
    expect(told.world.accepted).toEqual([]);
  });

  test("without a list, users of servers that nobody knows may not be rung", () => {
    const clock = setUp().world.clock;
    const policy = createPolicy({
      options: { rules: [{ servers: ["friends.example"], classes: ["internal"] }] },
      ownServer: "example.org",
      clock,
    });
    const users = ["@bob:example.org", "@eve:friends.example", "@mallory:elsewhere.example"];
    expect(users.map((user) => policy.mayBeCalled(userId(user)))).toEqual([true, true, false]);
  });
});
