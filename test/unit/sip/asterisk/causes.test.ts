import { expect, test } from "@jest/globals";

import { type DestroyedLeg, legEndOf } from "../../../../src/sip/asterisk/causes.ts";

const ringing = { rang: true, answered: false, hungUpInside: false, outOfTime: false };
const silent = { ...ringing, rang: false };
const talking = { ...ringing, answered: true };

// Each row as Asterisk 22.10 reported it for a PBX that sent the status in the first column.
test.each<[string, DestroyedLeg, { outcome: string; tryNextTrunk: boolean }]>([
  ["486", { ...silent, cause: 17, techCause: 486 }, { outcome: "busy", tryNextTrunk: false }],
  ["600", { ...silent, cause: 17, techCause: 600 }, { outcome: "busy", tryNextTrunk: false }],
  ["603", { ...ringing, cause: 21, techCause: 603 }, { outcome: "declined", tryNextTrunk: false }],
  ["403", { ...ringing, cause: 21, techCause: 403 }, { outcome: "declined", tryNextTrunk: false }],
  ["404", { ...silent, cause: 1, techCause: 404 }, { outcome: "invalid-number", tryNextTrunk: false }],
  ["484", { ...silent, cause: 28, techCause: 484 }, { outcome: "invalid-number", tryNextTrunk: false }],
  ["488", { ...silent, cause: 58, techCause: 488 }, { outcome: "media-failed", tryNextTrunk: false }],
  ["500", { ...silent, cause: 38, techCause: 500 }, { outcome: "trunk-failed", tryNextTrunk: false }],
  ["503", { ...silent, cause: 34, techCause: 503 }, { outcome: "trunk-failed", tryNextTrunk: true }],
  ["503 after 180", { ...ringing, cause: 34, techCause: 503 }, { outcome: "trunk-failed", tryNextTrunk: false }],
  // Cause 19 is Asterisk's own translation of 480: only the 18x tells the two apart.
  ["480", { ...silent, cause: 19, techCause: 480 }, { outcome: "unreachable", tryNextTrunk: false }],
  ["480 after 180", { ...ringing, cause: 19, techCause: 480 }, { outcome: "no-answer", tryNextTrunk: false }],
  ["408", { ...silent, cause: 18, techCause: 408 }, { outcome: "unreachable", tryNextTrunk: false }],
  ["nothing until timer B", { ...silent, cause: 16, techCause: 408 }, { outcome: "trunk-failed", tryNextTrunk: true }],
  ["BYE", { ...talking, cause: 16 }, { outcome: "completed", tryNextTrunk: false }],
  // tech_cause of an answered call is a translation of the Reason header.
  ["BYE with cause 17", { ...talking, cause: 17, techCause: 486 }, { outcome: "completed", tryNextTrunk: false }],
  ["BYE with cause 38", { ...talking, cause: 38, techCause: 503 }, { outcome: "trunk-failed", tryNextTrunk: false }],
])("%s", (_, leg, expected) => {
  expect(legEndOf(leg)).toMatchObject(expected);
});

test("Asterisk's own ring time-out is no answer, or unreachable when nothing rang, and no SIP status of the PBX", () => {
  const timeout = { cause: 19, techCause: 480, hungUpInside: true };
  expect(legEndOf({ ...ringing, ...timeout })).toEqual({
    outcome: "no-answer",
    cause: { q850: 19, text: "ring time-out" },
    tryNextTrunk: false,
  });
  expect(legEndOf({ ...silent, ...timeout })).toMatchObject({ outcome: "unreachable", tryNextTrunk: false });
});

test("the longest duration is a limit, not a hang-up", () => {
  expect(legEndOf({ ...talking, cause: 16, outOfTime: true })).toMatchObject({ outcome: "limit-reached" });
});

test("the cause holds the SIP status the PBX sent, or the Q.850 cause when there is none", () => {
  expect(legEndOf({ ...silent, cause: 19, techCause: 480 }).cause).toEqual({ sipStatus: 480 });
  expect(legEndOf({ ...talking, cause: 38, techCause: 503 }).cause).toEqual({ q850: 38 });
});
