import { expect, test } from "@jest/globals";

import type { DialRequest, IncomingCall, LegFact, SipPort } from "../../../src/calls/ports.ts";
import { callId, type E164, legId, type LegId, trunkId } from "../../../src/ids.ts";
import { createSipRouter } from "../../../src/sip/sip-router.ts";

/** A second SipPort on the near side of the router: what reaches it is written down, facts are sent by hand. */
const recorder = (listed: readonly LegId[] = []) => {
  const calls: string[] = [];
  const facts = new Map<LegId, (fact: LegFact) => void>();
  let ring: (call: IncomingCall) => void = () => {};
  const port: SipPort = {
    onIncoming: (listener) => {
      ring = listener;
    },
    accept: ({ legId }, onFact) => {
      calls.push(`accept ${legId}`);
      facts.set(legId, onFact);
    },
    answer: async (leg) => void calls.push(`answer ${leg}`),
    dial: ({ legId }, onFact) => {
      calls.push(`dial ${legId}`);
      facts.set(legId, onFact);
    },
    hangup: async (leg, outcome) => void calls.push(`hangup ${leg} ${outcome}`),
    renewMedia: async (leg) => ({ kind: "asterisk-websocket", url: `ws://127.0.0.1/media/${leg}`, codec: "alaw" }),
    press: async (leg, keys) => void calls.push(`press ${leg} ${keys}`),
    transfer: async (leg, number) => void calls.push(`transfer ${leg} ${number}`),
    listLegs: async () => listed,
  };
  return {
    port,
    calls,
    ring: (call: IncomingCall) => ring(call),
    tell: (leg: LegId, fact: LegFact) => facts.get(leg)!(fact),
  };
};

const request = (leg: LegId, trunk: string): DialRequest => ({
  callId: callId("call"),
  legId: leg,
  trunkId: trunkId(trunk),
  dialString: "1001",
  callerId: { kind: "number", number: "+33140506070" as E164 },
  ringTimeoutMs: 1000,
  maxDurationMs: 1000,
});

const setUp = (listed: { a?: LegId[]; b?: LegId[] } = {}) => {
  const [a, b] = [recorder(listed.a), recorder(listed.b)];
  const router = createSipRouter(
    new Map([
      [trunkId("one"), a.port],
      [trunkId("two"), a.port],
      [trunkId("three"), b.port],
    ]),
  );
  return { a, b, router };
};

test("the trunk decides the engine, and the engine keeps the leg until it has ended", async () => {
  const { a, b, router } = setUp();
  const leg = legId("leg");
  const facts: LegFact[] = [];
  router.dial(request(leg, "three"), (fact) => facts.push(fact));
  await router.press(leg, "1#");
  await router.transfer(leg, "1002");
  await router.hangup(leg, "removed");
  expect(await router.renewMedia(leg)).toMatchObject({ kind: "asterisk-websocket" });
  const ended: LegFact = { type: "leg.ended", outcome: "removed", cause: {}, tryNextTrunk: false };
  b.tell(leg, ended);
  expect(facts).toEqual([ended]);
  await expect(router.renewMedia(leg)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  expect(a.calls).toEqual([]);
  expect(b.calls).toEqual(["dial leg", "press leg 1#", "transfer leg 1002", "hangup leg removed"]);
});

test("the end of a leg on one trunk does not take it from the next trunk's engine", async () => {
  const { a, b, router } = setUp();
  const leg = legId("leg");
  router.dial(request(leg, "one"), (fact) => {
    // As the domain does: the next trunk at once.
    if (fact.type === "leg.ended") router.dial(request(leg, "three"), () => {});
  });
  a.tell(leg, { type: "leg.ended", outcome: "trunk-failed", cause: { sipStatus: 503 }, tryNextTrunk: true });
  await router.hangup(leg, "cancelled");
  expect(a.calls).toEqual(["dial leg"]);
  expect(b.calls).toEqual(["dial leg", "hangup leg cancelled"]);
});

test("a trunk that is not there ends the leg, after dial() has returned", async () => {
  const { router } = setUp();
  const facts: LegFact[] = [];
  router.dial(request(legId("leg"), "nowhere"), (fact) => facts.push(fact));
  expect(facts).toEqual([]);
  await Promise.resolve();
  expect(facts).toEqual([expect.objectContaining({ type: "leg.ended", outcome: "trunk-failed", tryNextTrunk: true })]);
});

test("lists the legs of all engines, each engine asked once, and finds them again", async () => {
  const { a, b, router } = setUp({ a: [legId("x")], b: [legId("y"), legId("z")] });
  expect([...(await router.listLegs())].sort()).toEqual(["x", "y", "z"]);
  await router.hangup(legId("y"), "shutdown");
  expect(a.calls).toEqual([]);
  expect(b.calls).toEqual(["hangup y shutdown"]);
});

test("a leg that nobody knows is hung up at every engine: it may be left from before a crash", async () => {
  const { a, b, router } = setUp();
  await router.hangup(legId("old"), "shutdown");
  expect([a.calls, b.calls]).toEqual([["hangup old shutdown"], ["hangup old shutdown"]]);
});

test("a call that an engine brings is accepted, answered and hung up at that engine", async () => {
  const [one, other] = [recorder(), recorder()];
  const router = createSipRouter(
    new Map([
      [trunkId("one"), one.port],
      [trunkId("other"), other.port],
    ]),
  );
  const seen: IncomingCall[] = [];
  router.onIncoming((call) => seen.push(call));
  const call: IncomingCall = {
    legId: legId("in-1"),
    trunkId: trunkId("other"),
    called: "8500",
    caller: { number: "1001", isHidden: false },
  };
  other.ring(call);
  expect(seen).toEqual([call]);

  router.accept({ legId: call.legId, maxDurationMs: 1000 }, () => {});
  await router.answer(call.legId);
  await router.hangup(call.legId, "completed");
  expect(other.calls).toEqual(["accept in-1", "answer in-1", "hangup in-1 completed"]);
  expect(one.calls).toEqual([]);
  other.tell(call.legId, { type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false });
  await expect(router.answer(call.legId)).rejects.toThrow("The phone has hung up");
});

test("two legs are connected by the engine that has both; a leg that is gone is accepted as one that hung up", async () => {
  const { a, router } = setUp();
  const connected: LegId[][] = [];
  a.port.connect = async (...legs) => void connected.push(legs);
  router.dial(request(legId("l1"), "one"), () => {});
  router.dial(request(legId("l2"), "two"), () => {});
  router.dial(request(legId("l3"), "three"), () => {});
  await router.connect?.(legId("l1"), legId("l2"));
  expect(connected).toEqual([["l1", "l2"]]);
  for (const [caller, called] of [
    ["l1", "l3"],
    ["l3", "l3"],
  ] as const) {
    await expect(router.connect?.(legId(caller), legId(called))).rejects.toThrow("cannot be connected");
  }
  const { promise, resolve } = Promise.withResolvers<LegFact>();
  router.accept({ legId: legId("gone"), maxDurationMs: 1000 }, resolve);
  expect(await promise).toMatchObject({ type: "leg.ended", outcome: "cancelled" });
});

test("a call that is refused is refused at the engine that brought it", async () => {
  const [one, other] = [recorder(), recorder()];
  const router = createSipRouter(
    new Map([
      [trunkId("one"), one.port],
      [trunkId("other"), other.port],
    ]),
  );
  router.onIncoming(({ legId: leg }) => void router.hangup(leg, "invalid-number"));
  other.ring({ legId: legId("in-1"), trunkId: trunkId("other"), called: "1", caller: { isHidden: true } });
  expect(other.calls).toEqual(["hangup in-1 invalid-number"]);
  expect(one.calls).toEqual([]);
});
