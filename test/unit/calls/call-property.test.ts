import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { createCallActor } from "../../../src/calls/call-actor.ts";
import { type Call, DEFAULT_CALL_OPTIONS } from "../../../src/calls/call.ts";
import type { CallRecord, LegFact, MediaFact, RtcFact } from "../../../src/calls/ports.ts";
import type { CallEvent } from "../../../src/calls/states.ts";
import { createFakeWorld, type FakeWorld, LEG_MEDIA, quietLog } from "../../support/fake-ports.ts";
import { newCall, newInboundCall, newPersonalCall, NUMBER } from "./fixtures.ts";

const legEnded = (tryNextTrunk: boolean): LegFact => ({ type: "leg.ended", outcome: "busy", cause: {}, tryNextTrunk });

const LEG_FACTS: readonly LegFact[] = [
  { type: "leg.mediaReady", media: LEG_MEDIA },
  { type: "leg.ringing" },
  { type: "leg.progress" },
  { type: "leg.answered" },
  { type: "leg.answered" },
  { type: "leg.held" },
  { type: "leg.resumed" },
  { type: "leg.dtmf", digit: "*" },
  { type: "leg.dtmf", digit: "6" },
  { type: "leg.dtmf", digit: "1" },
  legEnded(false),
  legEnded(true),
];
const RTC_FACTS: readonly RtcFact[] = [
  { type: "rtc.alone" },
  { type: "rtc.accompanied" },
  { type: "rtc.declined" },
  { type: "rtc.removed", reason: "kicked" },
  { type: "rtc.lost", message: "gone" },
];
const MEDIA_FACTS: readonly MediaFact[] = [
  { type: "media.flowing", direction: "toPhone" },
  { type: "media.silent", direction: "fromPhone" },
  { type: "media.workerLost" },
  { type: "media.sfuLost", message: "gone" },
  { type: "media.legLost", message: "gone" },
];
const REQUESTS: readonly CallEvent[] = [
  { type: "moderation", action: "mute" },
  { type: "moderation", action: "unmute" },
  { type: "hangup.byAdder" },
  { type: "hangup.byModerator" },
  { type: "gateway.shutdown" },
];

type Move =
  | { readonly kind: "settle"; readonly which: number; readonly isOk: boolean }
  | { readonly kind: "leg"; readonly which: number; readonly fact: LegFact }
  | { readonly kind: "rtc"; readonly fact: RtcFact }
  | { readonly kind: "media"; readonly which: number; readonly fact: MediaFact }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "request"; readonly event: CallEvent };

const which = fc.nat({ max: 5 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("settle" as const), which, isOk: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const), which, isOk: fc.constant(true) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("leg" as const), which, fact: fc.constantFrom(...LEG_FACTS) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rtc" as const), fact: fc.constantFrom(...RTC_FACTS) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("media" as const), which, fact: fc.constantFrom(...MEDIA_FACTS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(100, 2000, 10_000, 60_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("request" as const), event: fc.constantFrom(...REQUESTS) }) },
);

const settleFirst: Move = { kind: "settle", which: 0, isOk: true };
const legMoves = (...facts: readonly LegFact[]): readonly Move[] =>
  facts.map((fact) => ({ kind: "leg" as const, which: 0, fact }));
/** A call that goes well; the random moves set in anywhere along it. */
const HAPPY: readonly Move[] = [
  settleFirst,
  ...legMoves({ type: "leg.mediaReady", media: LEG_MEDIA }, { type: "leg.ringing" }),
  settleFirst,
  settleFirst,
  settleFirst,
  ...legMoves({ type: "leg.answered" }, { type: "leg.dtmf", digit: "1" }),
  settleFirst,
  // Who has to press 1 does.
  ...legMoves({ type: "leg.dtmf", digit: "1" }),
  settleFirst,
  settleFirst,
  // A person who is called comes, and a phone that has to confirm presses 1.
  { kind: "rtc", fact: { type: "rtc.accompanied" } },
  ...legMoves({ type: "leg.dtmf", digit: "1" }),
  settleFirst,
  settleFirst,
  settleFirst,
  settleFirst,
];
const story = fc
  .tuple(fc.nat({ max: HAPPY.length }), fc.array(move, { maxLength: 40 }))
  .map(([length, moves]) => [...HAPPY.slice(0, length), ...moves]);

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)];

/** Closing a part never fails, as the ports promise; it may take as long as it likes. */
const RELEASES: ReadonlySet<string> = new Set(["hangup", "leave", "mediaLeave"]);

const settle = (pending: FakeWorld["pending"][number] | undefined, isOk: boolean): void =>
  pending?.settle(isOk || RELEASES.has(pending.name));

const perform = (world: FakeWorld, post: (event: CallEvent) => void, next: Move): void => {
  switch (next.kind) {
    case "settle":
      return settle(pick(world.pending, next.which), next.isOk);
    case "leg":
      return pick([...world.dialled, ...world.accepted], next.which)?.fact(next.fact);
    case "rtc":
      return world.prepared[0]?.fact(next.fact);
    case "media":
      return pick(world.joined, next.which)?.fact(next.fact);
    case "advance":
      return world.clock.advance(next.ms);
    case "request":
      return post(next.event);
  }
};

const ORDER = ["routing", "alerting", "connecting", "active", "ending", "ended"];

const settleAll = async (world: FakeWorld): Promise<void> => {
  for (;;) {
    await world.flush();
    const [next] = world.pending;
    if (next === undefined) return;
    next.settle(true);
  }
};

test.each([
  ["outbound", () => newCall(3)],
  ["outbound, to be confirmed,", (): Call => ({ ...newCall(3), confirmation: "wanted" })],
  ["inbound", () => newInboundCall()],
  ["outbound one-to-one", () => newPersonalCall("outbound")],
  [
    "outbound one-to-one, with early media,",
    (): Call => {
      const call = newPersonalCall("outbound");
      return { ...call, targets: call.targets.map((target) => ({ ...target, earlyMedia: "answer" as const })) };
    },
  ],
  ["inbound one-to-one", () => newPersonalCall("inbound")],
  [
    "forwarded one-to-one",
    (): Call => ({ ...newPersonalCall("inbound"), forward: { noAnswer: NUMBER, declined: NUMBER } }),
  ],
] as const)(
  "whatever happens, in whatever order, a shut-down %s call ends and leaves nothing",
  async (_way, create) => {
    const reached = new Set<CallRecord["state"]>();
    await fc.assert(
      fc.asyncProperty(story, async (moves) => {
        const world = createFakeWorld({ mode: "manual" });
        const actor = createCallActor({
          call: create(),
          ports: world.ports,
          options: DEFAULT_CALL_OPTIONS,
          log: quietLog,
          isFirstPhone: () => true,
          admit: async () => ({ isLive: true, isEmpty: false, needsInvite: true }),
          // Whoever takes the leg over hangs it up.
          forward: ({ legId }) => void world.ports.sip.hangup(legId, "no-answer"),
        });
        actor.post({ type: "call.start" });
        for (const next of moves) {
          perform(world, (event) => actor.post(event), next);
          await world.flush();
          reached.add(actor.record().state);
        }
        actor.post({ type: "gateway.shutdown" });
        world.clock.advance(DEFAULT_CALL_OPTIONS.releaseTimeoutMs);
        expect(actor.record().state).toBe("ended");
        await actor.ended;
        await settleAll(world);

        expect(world.open()).toEqual({ legs: 0, ghosts: 0, memberships: 0, media: 0 });
        expect(world.clock.armed()).toBe(0);
        // States are only left forwards, `ended` comes once, and the outcome is set once.
        const states = world.transitions.map(({ state }) => ORDER.indexOf(state));
        expect(states).toEqual([...new Set(states)].toSorted((one, other) => one - other));
        expect(new Set(world.transitions.flatMap(({ outcome }) => outcome ?? [])).size).toBe(1);
        expect(world.notices.filter(({ kind }) => kind === "call-failed").length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 400 },
    );
    expect([...reached].toSorted()).toEqual(["active", "alerting", "connecting", "ended", "ending"]);
  },
  60_000,
);
