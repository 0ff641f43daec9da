import { expect, test } from "@jest/globals";

import type { DialRequest, LegFact, SipPort } from "../../../src/calls/ports.ts";
import { callId, type E164, legId, type LegId, trunkId } from "../../../src/ids.ts";
import { createSipRouter } from "../../../src/sip/sip-router.ts";

/** A second SipPort on the near side of the router: what reaches it is written down, facts are sent by hand. */
const recorder = (listed: readonly LegId[] = []) => {
  const calls: string[] = [];
  const facts = new Map<LegId, (fact: LegFact) => void>();
  const port: SipPort = {
    dial: ({ legId }, onFact) => {
      calls.push(`dial ${legId}`);
      facts.set(legId, onFact);
    },
    hangup: async (leg, outcome) => void calls.push(`hangup ${leg} ${outcome}`),
    renewMedia: async (leg) => ({ kind: "asterisk-websocket", url: `ws://127.0.0.1/media/${leg}`, codec: "alaw" }),
    listLegs: async () => listed,
  };
  return { port, calls, tell: (leg: LegId, fact: LegFact) => facts.get(leg)!(fact) };
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
  await router.hangup(leg, "removed");
  expect(await router.renewMedia(leg)).toMatchObject({ kind: "asterisk-websocket" });
  const ended: LegFact = { type: "leg.ended", outcome: "removed", cause: {}, tryNextTrunk: false };
  b.tell(leg, ended);
  expect(facts).toEqual([ended]);
  await expect(router.renewMedia(leg)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  expect(a.calls).toEqual([]);
  expect(b.calls).toEqual(["dial leg", "hangup leg removed"]);
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
