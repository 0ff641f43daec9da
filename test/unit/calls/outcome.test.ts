import { describe, expect, test } from "@jest/globals";
import {
  OUTCOME_FACTS,
  OUTCOMES,
  outcomeFromDisconnectReason,
  outcomeFromErrorCode,
  outcomeFromQ850,
  outcomeFromSipStatus,
  outcomeOfCause,
} from "../../../src/calls/outcome.ts";
import { ERROR_CODES } from "../../../src/errors.ts";

test.each([
  [200, "completed"],
  [302, "trunk-failed"],
  [401, "trunk-failed"],
  [403, "declined"],
  [404, "invalid-number"],
  [408, "unreachable"],
  [480, "unreachable"],
  [486, "busy"],
  [487, "cancelled"],
  [488, "media-failed"],
  [503, "trunk-failed"],
  [600, "busy"],
  [603, "declined"],
  [699, "declined"],
] as const)("SIP %i is %s", (status, outcome) => {
  expect(outcomeFromSipStatus(status)).toBe(outcome);
});

test.each([
  [1, "invalid-number"],
  [16, "completed"],
  [17, "busy"],
  [19, "no-answer"],
  [20, "unreachable"],
  [21, "declined"],
  [26, "answered-elsewhere"],
  [38, "trunk-failed"],
  [88, "media-failed"],
  [127, "trunk-failed"],
] as const)("Q.850 %i is %s", (cause, outcome) => {
  expect(outcomeFromQ850(cause)).toBe(outcome);
});

describe("what the far end said, taken together", () => {
  const silent = { rang: false, answered: false };
  const rang = { rang: true, answered: false };
  const answered = { rang: true, answered: true };
  test.each([
    [{ sipStatus: 480 }, silent, "unreachable"],
    [{ sipStatus: 480 }, rang, "no-answer"],
    [{ sipStatus: 480, q850: 19 }, silent, "no-answer"],
    [{ sipStatus: 480, q850: 20 }, rang, "unreachable"],
    [{ sipStatus: 486, q850: 17 }, rang, "busy"],
    [{ sipStatus: 603, q850: 21 }, rang, "declined"],
    [{ q850: 17 }, silent, "busy"],
    [{ q850: 16 }, rang, "no-answer"],
    [{ q850: 16 }, answered, "completed"],
    [{ sipStatus: 200, q850: 16 }, answered, "completed"],
    [{}, answered, "completed"],
    [{}, silent, "trunk-failed"],
  ] as const)("%j, heard %j: %s", (cause, heard, outcome) => {
    expect(outcomeOfCause(cause, heard)).toBe(outcome);
  });
});

test("disconnect reasons of livekit-sip; an unknown one is the trunk's failure", () => {
  const of = ["USER_REJECTED", "USER_UNAVAILABLE", "SIP_TRUNK_FAILURE", "CLIENT_INITIATED", "UNKNOWN_REASON"];
  expect(of.map(outcomeFromDisconnectReason)).toEqual([
    "declined",
    "no-answer",
    "trunk-failed",
    "completed",
    "trunk-failed",
  ]);
});

test("busy, declined and the like come back from the cause they are sent as", () => {
  const roundTrip = ["busy", "declined", "no-answer", "unreachable", "invalid-number"] as const;
  expect(roundTrip.map((outcome) => outcomeFromQ850(OUTCOME_FACTS[outcome].q850))).toEqual(roundTrip);
  for (const outcome of OUTCOMES) {
    expect(OUTCOME_FACTS[outcome].sipStatus).toBeGreaterThanOrEqual(400);
    expect(OUTCOME_FACTS[outcome].words).toMatch(/^[a-zA-Z ]+$/);
  }
});

test("no error of a step of the call counts as a success", () => {
  expect(ERROR_CODES.map(outcomeFromErrorCode)).not.toContain("completed");
});
