import { describe, expect, test } from "@jest/globals";
import type { Call } from "../../../src/calls/call.ts";
import type { CallStateName } from "../../../src/calls/ports.ts";
import { type CallEvent, TIMERS, TRANSITIONS, type Trigger } from "../../../src/calls/states.ts";
import { step } from "../../../src/calls/step.ts";
import { legId, userId } from "../../../src/ids.ts";
import { callIn, LEG, newCall, newPersonalCall } from "./fixtures.ts";

const STATES = ["routing", "alerting", "connecting", "active", "ending", "ended"] as const satisfies CallStateName[];
const leg = { legId: LEG };
const epoch = { epoch: 0 };
const failed = (operation: "prepare" | "join" | "attach" | "renewMedia"): CallEvent => ({
  type: "operation.failed",
  operation,
  code: "SFU_REFUSED",
  message: "no",
  retryable: false,
});
const ended = (tryNextTrunk: boolean): CallEvent => ({
  type: "leg.ended",
  outcome: "busy",
  cause: { sipStatus: 486 },
  tryNextTrunk,
  ...leg,
});

/** Every row of the table: an event that leads to it and, where needed, what the call must look like for it. */
const ROWS: Readonly<
  Record<
    Exclude<Trigger, "media.workerLost" | "media.sfuLost" | "timer.legGrace" | "timer.recoveryRetry">,
    [CallEvent, Partial<Call>?]
  >
> = {
  "call.start": [{ type: "call.start" }],
  "leg.mediaReady": [{ type: "leg.mediaReady", ...leg }, { audio: "none" }],
  "leg.mediaRenewed": [{ type: "leg.mediaRenewed", ...leg, ...epoch }],
  "leg.ringing": [{ type: "leg.ringing", ...leg }],
  "leg.progress": [{ type: "leg.progress", ...leg }],
  "leg.answered": [{ type: "leg.answered", ...leg }],
  "leg.held": [{ type: "leg.held", ...leg }],
  "leg.resumed": [{ type: "leg.resumed", ...leg }, { held: true }],
  "leg.ended": [ended(false)],
  "leg.unreached": [ended(true), { targets: newCall(2).targets }],
  "rtc.alone": [{ type: "rtc.alone" }],
  "rtc.accompanied": [{ type: "rtc.accompanied" }, { alone: true }],
  "rtc.removed": [{ type: "rtc.removed", reason: "kicked" }],
  "rtc.lost": [{ type: "rtc.lost", message: "gone" }],
  "rtc.prepared": [{ type: "rtc.prepared", encrypted: true }],
  "rtc.published": [{ type: "rtc.published" }],
  "rtc.keysExchanged": [{ type: "rtc.keysExchanged" }],
  "rtc.rung": [{ type: "rtc.rung" }],
  "rtc.declined": [{ type: "rtc.declined" }],
  "person.came": [{ type: "rtc.accompanied" }, { record: newPersonalCall().record, alone: true }],
  "person.left": [{ type: "rtc.alone" }, { record: newPersonalCall().record }],
  "room.entered": [{ type: "room.entered", isLive: true, isEmpty: false }],
  moderation: [{ type: "moderation", action: "mute" }],
  keypad: [{ type: "keypad", command: "mute" }],
  "rtc.renewed": [{ type: "rtc.renewed", ...epoch }],
  "media.joined": [{ type: "media.joined", ...epoch }],
  "media.attached": [{ type: "media.attached", ...leg, ...epoch }],
  "media.bridged": [{ type: "media.bridged", ...epoch }],
  "media.flowing": [{ type: "media.flowing", direction: "toPhone", ...epoch }],
  "media.silent": [{ type: "media.silent", direction: "toPhone", ...epoch }],
  "media.legLost": [{ type: "media.legLost", message: "closed", ...epoch }, { audio: "attached" }],
  "media.lost": [{ type: "media.workerLost", ...epoch }],
  "media.lostForGood": [{ type: "media.workerLost", ...epoch }, { recoveriesAtMs: [1, 2, 3] }],
  "media.retryLater": [failed("join")],
  "operation.failed": [failed("prepare")],
  "hangup.byAdder": [{ type: "hangup.byAdder" }],
  "hangup.byModerator": [{ type: "hangup.byModerator" }],
  "transfer.asked": [{ type: "transfer.asked" }],
  "transfer.failed": [{ type: "transfer.failed" }],
  "gateway.shutdown": [{ type: "gateway.shutdown" }],
  "timer.ring": [{ type: "timer.ring" }],
  "timer.connect": [{ type: "timer.connect" }],
  "timer.confirm": [{ type: "timer.confirm" }, { confirmation: 1 }],
  "confirm.missing": [{ type: "timer.confirm" }, { confirmation: 3 }],
  "timer.maxDuration": [{ type: "timer.maxDuration" }],
  "timer.alone": [{ type: "timer.alone" }],
  "timer.waiting": [{ type: "timer.waiting" }],
  "timer.farewell": [{ type: "timer.farewell" }],
  "timer.recovery": [{ type: "timer.recovery" }],
  "timer.release": [{ type: "timer.release" }],
  "release.done": [{ type: "release.done", what: "rtc" }],
};

/**
 * What each row does in each state, written down a second time: `.` ignored, `=` the state stays, else the next state (ri)nging = alerting,
 * (co)nnecting, (ac)tive, (en)ding, ended as (ED). A routing call that ends has nothing to close and is ended at once.
 */
const EXPECTED = `
                     routing alerting connecting active ending ended
call.start           al      .        .          .      .      .
leg.mediaReady       .       =        =          .      =      =
leg.mediaRenewed     .       =        =          =      =      =
leg.ringing          .       =        .          .      .      .
leg.progress         .       =        .          .      .      .
leg.answered         .       co       .          .      =      =
leg.held             .       =        =          =      .      .
leg.resumed          .       =        =          =      .      .
leg.ended            .       en       en         en     =      .
leg.unreached        .       =        en         en     =      .
rtc.alone            .       =        =          =      .      .
rtc.accompanied      .       =        =          =      .      .
rtc.removed          .       en       en         en     .      .
rtc.lost             .       en       en         en     .      .
rtc.prepared         .       =        =          .      =      =
rtc.published        .       =        =          .      =      =
rtc.keysExchanged    .       =        .          .      .      .
rtc.rung             .       =        .          .      .      .
rtc.declined         .       en       .          .      .      .
person.came          .       =        .          .      .      .
person.left          .       en       en         en     .      .
room.entered         .       =        .          .      .      .
moderation           .       =        =          =      .      .
keypad               .       .        =          =      .      .
rtc.renewed          .       =        =          =      .      .
media.joined         .       =        =          =      =      =
media.attached       .       =        =          =      =      =
media.bridged        .       =        ac         =      .      .
media.flowing        .       .        .          =      .      .
media.silent         .       .        .          =      .      .
media.legLost        .       =        =          =      .      .
media.lost           .       =        =          =      .      .
media.lostForGood    .       en       en         en     .      .
media.retryLater     .       en       en         =      =      =
operation.failed     .       en       en         =      =      =
hangup.byAdder       ED      en       en         en     .      .
hangup.byModerator   ED      en       en         en     .      .
transfer.asked       .       .        .          =      .      .
transfer.failed      .       .        .          =      .      .
gateway.shutdown     ED      en       en         en     .      .
timer.ring           .       en       .          .      .      .
timer.connect        .       .        en         .      .      .
timer.confirm        .       .        =          .      .      .
confirm.missing      .       .        en         .      .      .
timer.maxDuration    .       .        .          en     .      .
timer.alone          .       .        .          =      .      .
timer.waiting        .       .        .          =      .      .
timer.farewell       .       .        .          en     .      .
timer.recovery       .       .        .          en     .      .
timer.release        .       .        .          .      ED     .
release.done         .       .        .          .      =      .
`;

const NEXT: Readonly<Record<string, CallStateName>> = {
  al: "alerting",
  co: "connecting",
  ac: "active",
  en: "ending",
  ED: "ended",
};

const CELLS = EXPECTED.trim()
  .split("\n")
  .slice(1)
  .flatMap((line) => {
    const [row = "", ...cells] = line.trim().split(/\s+/);
    return STATES.map((state, index) => [row as keyof typeof ROWS, state, cells[index] ?? "?"] as const);
  });

describe("every event in every state", () => {
  test("the expectation covers the whole table", () => {
    expect(new Set(CELLS.map(([row]) => row))).toEqual(new Set(Object.keys(ROWS)));
    const inTable = STATES.flatMap((state) => Object.keys(TRANSITIONS[state]));
    expect(inTable.filter((trigger) => !(trigger in ROWS))).toEqual([]);
  });

  test.each(CELLS)("%s in %s: %s", (row, state, cell) => {
    const [event, needs] = ROWS[row];
    const call = callIn(state, needs);
    const result = step(call, event, 10);
    const isIgnored = result.trigger === undefined && result.call === call && result.effects.length === 0;
    const next = cell === "=" || cell === "." ? state : NEXT[cell];
    expect({ isIgnored, state: result.call.record.state }).toEqual({ isIgnored: cell === ".", state: next });
  });
});

describe("what leaving and entering a state does", () => {
  test.each(STATES.filter((state) => state !== "ending" && state !== "ended" && state !== "routing"))(
    "%s: its timers are cancelled and everything is closed at once",
    (state) => {
      const { call, effects } = step(
        callIn(state, { sfu: "joined", member: "published" }),
        { type: "gateway.shutdown" },
        10,
      );
      const own = Object.entries(TIMERS).flatMap(([timer, of]) => (of === state ? [timer] : []));
      expect(effects).toContainEqual({ type: "timers.cancel", timers: own });
      expect(effects).toContainEqual({ type: "sip.hangup", legId: LEG, outcome: "shutdown" });
      expect(effects.map(({ type }) => type)).toEqual(
        expect.arrayContaining(["rtc.leave", "media.leave", "store.save"]),
      );
      expect(call.releasing.toSorted()).toEqual(["leg", "media", "rtc"]);
    },
  );

  test("the phone is dialled before anything else happens, in the same step as the ghost gets ready", () => {
    const { effects } = step(newCall(), { type: "call.start" }, 10);
    expect(effects.map(({ type }) => type)).toEqual(["sip.dial", "rtc.prepare", "timer.arm", "store.save"]);
  });

  test("a failure is told in the room, a normal end is not", () => {
    const failed = step(callIn("alerting", { leg: "ringing" }), { type: "timer.ring" }, 10);
    expect(failed.effects).toContainEqual({ type: "notice.failed", outcome: "no-answer" });
    const hungUp = step(callIn("active"), { type: "hangup.byAdder" }, 10);
    expect(hungUp.effects.map(({ type }) => type)).not.toContain("notice.failed");
  });
});

describe("outcomes", () => {
  test.each([
    ["alerting", { type: "hangup.byAdder" }, "cancelled"],
    ["alerting", { type: "hangup.byModerator" }, "cancelled"],
    ["connecting", { type: "hangup.byAdder" }, "completed"],
    ["active", { type: "hangup.byAdder" }, "completed"],
    ["active", { type: "hangup.byModerator" }, "removed"],
    ["active", { type: "rtc.removed", reason: "banned" }, "removed"],
    ["active", { type: "rtc.lost", message: "x" }, "room-unavailable"],
    ["active", { type: "timer.maxDuration" }, "completed"],
    ["active", { type: "timer.farewell" }, "completed"],
    ["connecting", { type: "timer.connect" }, "media-failed"],
    ["alerting", ended(false), "busy"],
    ["alerting", failed("prepare"), "media-failed"],
  ] as const)("%s, %j: %s", (state, event, outcome) => {
    expect(step(callIn(state), event, 10).call.record.outcome).toBe(outcome);
  });

  test("a phone that rang was not picked up, one that never rang cannot be reached", () => {
    const afterRingTime = (leg: "dialing" | "ringing") =>
      step(callIn("alerting", { leg }), { type: "timer.ring" }, 10).call.record.outcome;
    expect(afterRingTime("ringing")).toBe("no-answer");
    expect(afterRingTime("dialing")).toBe("unreachable");
  });

  test("the first reason stays", () => {
    const ending = step(callIn("active"), { type: "hangup.byAdder" }, 10).call;
    expect(step(ending, ended(false), 11).call.record.outcome).toBe("completed");
  });
});

describe("stale facts", () => {
  test.each([
    { type: "leg.answered", legId: legId("other") },
    { type: "media.joined", epoch: 7 },
    { type: "media.sfuLost", epoch: 7, message: "gone" },
    { type: "rtc.accompanied" },
    { type: "leg.resumed", ...leg },
  ] as const)("%j changes nothing", (event) => {
    const call = callIn("alerting");
    expect(step(call, event, 10)).toEqual({ call, effects: [] });
  });
});

describe("readiness", () => {
  const types = (call: Call, event: CallEvent): readonly string[] =>
    step(call, event, 10).effects.map(({ type }) => type);

  test("the leg is attached when its audio and the SFU are there, whichever comes last", () => {
    expect(types(callIn("alerting", { sfu: "joining", audio: "ready" }), { type: "media.joined", ...epoch })).toContain(
      "media.attach",
    );
    expect(types(callIn("alerting", { sfu: "joined" }), { type: "leg.mediaReady", ...leg })).toContain("media.attach");
    expect(types(callIn("alerting", { sfu: "joining" }), { type: "leg.mediaReady", ...leg })).not.toContain(
      "media.attach",
    );
  });

  test("a leg that audio answers is attached when everything else is there", () => {
    const event = { type: "leg.mediaReady", ...leg, attachingAnswers: true } as const;
    const inbound = () => ({ record: { ...newCall().record, direction: "inbound" as const } });
    const rings = { ...inbound(), sfu: "joined", leg: "ringing" } as const;
    expect(types(callIn("alerting", { ...rings, member: "published" }), event)).not.toContain("media.attach");
    const waiting = { ...rings, audio: "ready", attachingAnswers: true, member: "published" } as const;
    expect(types(callIn("alerting", waiting), { type: "rtc.keysExchanged" })).toContain("media.attach");
    const unpublished = { ...waiting, member: "publishing", keysExchanged: true } as const;
    expect(types(callIn("alerting", unpublished), { type: "rtc.published" })).toContain("media.attach");
    // Who is called in person is there then, too.
    const called = callIn("alerting", { ...waiting, keysExchanged: true });
    const personal = { ...called, alone: true, record: { ...called.record, person: userId("@alice:example.org") } };
    expect(types(personal, { type: "leg.progress", ...leg })).not.toContain("media.attach");
    expect(types(personal, { type: "rtc.accompanied" })).toContain("media.attach");
    // Once it is answered nothing waits for them.
    const renewed = { ...personal, leg: "answered", audio: "renewing" } as const;
    expect(types(renewed, { type: "leg.mediaRenewed", ...leg, ...epoch })).toContain("media.attach");
  });

  test("the path opens when the phone is answered, the membership is out and the leg is attached", () => {
    const ready = { member: "published", sfu: "joined", audio: "attached" } as const;
    expect(types(callIn("alerting", ready), { type: "leg.answered", ...leg })).toContain("media.bridge");
    const unpublished = { ...ready, leg: "answered", member: "publishing", bridge: "closed" } as const;
    expect(types(callIn("connecting", unpublished), { type: "rtc.published" })).toContain("media.bridge");
    expect(types(callIn("alerting", { ...ready, audio: "attaching" }), { type: "leg.answered", ...leg })).not.toContain(
      "media.bridge",
    );
  });

  test("a leg connection lost while ringing is renewed on answer", () => {
    const lost = callIn("alerting", { member: "published", sfu: "joined", audio: "lost" });
    expect(types(lost, { type: "leg.answered", ...leg })).toContain("sip.renewMedia");
  });
});

describe("another trunk", () => {
  test("dials the next target with a leg id of its own and rings anew", () => {
    const call = callIn("alerting", { targets: newCall(2).targets, audio: "attached" });
    const { call: next, effects } = step(call, ended(true), 10);
    expect(next.record.legId).toBe("call-2");
    expect(next.audio).toBe("none");
    expect(next.record.cause).toBeUndefined();
    expect(effects).toContainEqual({ type: "sip.dial", target: next.targets[0] });
    expect(effects).toContainEqual({ type: "timer.arm", timer: "ring" });
  });

  test("not after an 18x, and not without one", () => {
    const rang = callIn("alerting", { targets: newCall(2).targets, leg: "ringing" });
    expect(step(rang, ended(true), 10).call.record.state).toBe("ending");
    expect(step(callIn("alerting"), ended(true), 10).call.record.state).toBe("ending");
  });
});

describe("recovery of audio", () => {
  const recovering = step(callIn("active"), { type: "media.workerLost", ...epoch }, 1000);

  test("access to SFU and leg are renewed together, within one time limit", () => {
    expect(recovering.effects).toContainEqual({ type: "rtc.renewAccess", epoch: 1 });
    expect(recovering.effects).toContainEqual({ type: "sip.renewMedia", legId: LEG, epoch: 1 });
    expect(recovering.effects).toContainEqual({ type: "timer.arm", timer: "recovery" });
  });

  test("three attempts within 10 s, then the call ends; after 10 s there are new ones", () => {
    let call = recovering.call;
    for (const atMs of [2000, 3000]) call = step(call, { type: "media.workerLost", epoch: call.epoch }, atMs).call;
    const lost = { type: "media.workerLost", epoch: call.epoch } as const;
    expect(step(call, lost, 4000).call.record.outcome).toBe("media-failed");
    expect(step(call, lost, 12_500).call.record.state).toBe("active");
  });

  test("a refused attempt is repeated later, a leg that is gone ends the call", () => {
    const refused = { ...failed("join"), epoch: 1, retryable: true } as CallEvent;
    const later = step(recovering.call, refused, 2000);
    expect(later.effects).toContainEqual({ type: "timer.arm", timer: "recoveryRetry" });
    expect(step(later.call, { type: "leg.mediaRenewed", ...leg, epoch: 1 }, 2001).trigger).toBeUndefined();
    expect(step(later.call, { type: "timer.recoveryRetry" }, 4000).effects).toContainEqual({
      type: "rtc.renewAccess",
      epoch: 3,
    });
    expect(step(recovering.call, { ...failed("renewMedia"), epoch: 1 } as CallEvent, 2000).call.record.outcome).toBe(
      "media-failed",
    );
  });

  test("a leg that is on hold stays so", () => {
    const held = { ...recovering.call, sfu: "joined", audio: "attached", bridge: "opening", held: true } as Call;
    expect(step(held, { type: "media.bridged", epoch: 1 }, 3000).effects).toContainEqual({
      type: "media.setHeld",
      held: true,
    });
  });
});

describe("audio that was being attached when the call was given up", () => {
  const ending = callIn("ending", { audio: "attaching", leg: "ended" });

  test.each([
    { what: "still is attached", event: { type: "media.attached", ...leg, ...epoch } as CallEvent },
    { what: "fails", event: { ...failed("attach"), ...leg, ...epoch } as CallEvent },
  ])("and $what: media leaves and the leg is hung up again, whose room may have been made anew", ({ event }) => {
    const { effects } = step(ending, event, 1000);
    expect(effects).toContainEqual({ type: "media.leave" });
    expect(effects).toContainEqual({ type: "sip.hangup", legId: LEG, outcome: "completed" });
  });

  test("and it was that of another trunk's leg: the same, for that leg", () => {
    const other = legId("of the trunk before");
    const { effects } = step(ending, { type: "media.attached", legId: other, ...epoch }, 1000);
    expect(effects).toContainEqual({ type: "media.leave" });
    expect(effects).toContainEqual({ type: "sip.hangup", legId: other, outcome: "completed" });
  });
});
