import { expect, test } from "@jest/globals";
import { createBindings } from "../../../src/directory/bindings.ts";
import { CODE_LIFE_MS, createClaims } from "../../../src/directory/claims.ts";
import { createDirectory } from "../../../src/directory/directory.ts";
import { GatewayError } from "../../../src/errors.ts";
import { userId } from "../../../src/ids.ts";
import { canonicalDigits } from "../../../src/numbering/phone-number.ts";
import { createRateLimit } from "../../../src/policy/rate-limit.ts";
import { openStore } from "../../../src/store/store.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const BOB = userId("@bob:example.org");
const CAROL = userId("@carol:example.org");

const start = ({ mayDial = true, canSpeak = true } = {}) => {
  const clock = createManualClock();
  const spoken: string[] = [];
  const bindings = createBindings({
    file: createDirectory("1003,,@carol:example.org", "d.csv", PLAN),
    store: openStore({ path: ":memory:" }).bindings,
    plan: PLAN,
    ruleOf: () => undefined,
  });
  let codes = 0;
  const claims = createClaims({
    bindings,
    plan: PLAN,
    limit: createRateLimit({ perMinute: 1, clock }),
    authorize: () => {
      if (!mayDial) throw new GatewayError("NUMBER_NOT_PERMITTED", "You may not call this number.");
    },
    speak: (number, user, code) => {
      if (!canSpeak) throw new GatewayError("NO_ROUTE", "No trunk takes this number.");
      spoken.push(`${canonicalDigits(number)} ${user} ${code}`);
    },
    newCode: () => `22222${2 + codes++}`,
    nowMs: () => clock.nowMs(),
  });
  return { clock, spoken, bindings, claims };
};

test("the code that the extension was told is the proof, once, for who asked", () => {
  const { claims, spoken } = start();
  expect(canonicalDigits(claims.ask(BOB, "1002"))).toBe("1002");
  expect(spoken).toEqual(["1002 @bob:example.org 222222"]);
  expect(() => claims.prove(CAROL, "1002", "222222")).toThrow("There is no code");
  expect(() => claims.prove(BOB, "1001", "222222")).toThrow("There is no code");
  claims.prove(BOB, "1002", "222222");
  expect(() => claims.prove(BOB, "1002", "222222")).toThrow("There is no code");
});

test("three codes may be tried, within five minutes", () => {
  const { claims, clock } = start();
  claims.ask(BOB, "1002");
  for (const code of ["333333", "444444", "555555"]) {
    expect(() => claims.prove(BOB, "1002", code)).toThrow("This is not the code.");
  }
  expect(() => claims.prove(BOB, "1002", "222222")).toThrow("There is no code");
  clock.advance(60_000);
  claims.ask(BOB, "1002");
  clock.advance(CODE_LIFE_MS);
  expect(() => claims.prove(BOB, "1002", "222223")).toThrow("There is no code");
});

test("a user may ask once a minute, and an extension is called once a minute", () => {
  const { claims, clock, spoken } = start();
  claims.ask(BOB, "1002");
  for (const [user, number] of [
    [BOB, "1001"],
    [CAROL, "1002"],
  ] as const) {
    expect(() => claims.ask(user, number)).toThrow(expect.objectContaining({ code: "LIMIT_REACHED" }));
  }
  clock.advance(60_000);
  claims.ask(CAROL, "1002");
  expect(spoken).toHaveLength(2);
});

test.each([
  ["+33140506070", "Only extensions can be claimed."],
  ["1003", "1003 belongs to @carol:example.org in the directory's file."],
  ["1004", "1004 is yours already."],
  ["bob", "This is not a phone number"],
])("%s cannot be claimed: %s", (number, words) => {
  const { claims, bindings, spoken } = start();
  bindings.bind({ number: "1004", user: BOB, boundBy: CAROL });
  expect(() => claims.ask(BOB, number)).toThrow(words);
  expect(spoken).toEqual([]);
});

test("who may not dial the extension cannot claim it; a call that cannot be made leaves no code", () => {
  expect(() => start({ mayDial: false }).claims.ask(BOB, "1002")).toThrow("You may not call this number.");
  const { claims } = start({ canSpeak: false });
  expect(() => claims.ask(BOB, "1002")).toThrow("No trunk");
  expect(() => claims.prove(BOB, "1002", "222222")).toThrow("There is no code");
});
