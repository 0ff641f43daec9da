import { describe, expect, test } from "@jest/globals";
import type { Subject } from "../../../src/calls/ports.ts";
import { GatewayError } from "../../../src/errors.ts";
import { userId } from "../../../src/ids.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { createPolicy, type PolicyRule } from "../../../src/policy/policy.ts";
import { createRateLimit } from "../../../src/policy/rate-limit.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const user = (id: string): Subject => ({ kind: "user", userId: userId(id) });
const token = (name: string): Subject => ({ kind: "token", name });
const ALICE = user("@alice:example.org");

const NUMBERS = {
  internal: "1001",
  national: "+33140506070",
  international: "+442079460000",
  premium: "0899123456",
  emergency: "112",
  "short-code": "3631",
} as const;

const setUp = (rules: readonly PolicyRule[], attemptsPerMinute?: number) => {
  const clock = createManualClock();
  const options = { rules, ...(attemptsPerMinute === undefined ? {} : { attemptsPerMinute }) };
  const policy = createPolicy({ options, ownServer: "example.org", clock });
  const ask = (subject: Subject, number: string): string => {
    try {
      policy.authorize(subject, parseNumber(number, { country: "FR", extensionPatterns: ["1XXX"] }));
      return "allowed";
    } catch (error) {
      return error instanceof GatewayError ? error.code : "something else";
    }
  };
  return { clock, policy, ask };
};

/** The classes a subject may dial. */
const classesOf = (rules: readonly PolicyRule[], subject: Subject): readonly string[] => {
  const { ask } = setUp(rules);
  return Object.entries(NUMBERS).flatMap(([name, number]) => (ask(subject, number) === "allowed" ? [name] : []));
};

test("nothing is allowed by default", () => {
  expect(classesOf([], ALICE)).toEqual([]);
  const { ask } = setUp([]);
  expect([ask(ALICE, NUMBERS.national), ask(ALICE, "0112")]).toEqual([
    "NUMBER_NOT_PERMITTED",
    "EMERGENCY_NOT_PERMITTED",
  ]);
});

test("rules add up, and emergency and short codes are only what is named", () => {
  const rules: readonly PolicyRule[] = [
    { servers: ["example.org"], classes: ["internal"] },
    { users: ["@alice:example.org"], classes: ["national"] },
    { users: ["@alice:example.org"], classes: ["emergency"] },
  ];
  expect(classesOf(rules, ALICE)).toEqual(["internal", "national", "emergency"]);
  expect(classesOf(rules, user("@bob:example.org"))).toEqual(["internal"]);
  expect(classesOf(rules, user("@alice:evil.example"))).toEqual([]);
  expect(classesOf(rules, token("@alice:example.org"))).toEqual([]);
});

test("prefixes narrow the classes", () => {
  const { ask } = setUp([{ tokens: ["crm"], classes: ["national", "emergency"], prefixes: ["+331", "11"] }]);
  const crm = token("crm");
  expect(["+33140506070", "+33240506070", "112", "15", "1001"].map((number) => ask(crm, number))).toEqual([
    "allowed",
    "NUMBER_NOT_PERMITTED",
    "allowed",
    "EMERGENCY_NOT_PERMITTED",
    "NUMBER_NOT_PERMITTED",
  ]);
});

describe("patterns", () => {
  test.each([
    ["@*:example.org", "@bob:example.org", true],
    ["@*:example.org", "@bob:example.org.evil", false],
    ["@*:example.org", "@bob:exampleXorg", false],
    ["@sales-*:*", "@sales-1:any.example", true],
    ["@sales-*:*", "@support:any.example", false],
    ["@alice:example.org", "@malice:example.org", false],
    ["*", "@bob:any.example", true],
  ])("user %s, %s: %s", (pattern, id, isAllowed) => {
    expect(classesOf([{ users: [pattern], classes: ["national"] }], user(id))).toEqual(isAllowed ? ["national"] : []);
  });

  test.each([
    ["example.org", "@bob:example.org", true],
    ["*.example.org", "@bob:a.example.org", true],
    ["*.example.org", "@bob:example.org", false],
    ["example.org", "@bob:example.org:8448", false],
  ])("server %s, %s: %s", (pattern, id, isAllowed) => {
    expect(classesOf([{ servers: [pattern], classes: ["national"] }], user(id))).toEqual(isAllowed ? ["national"] : []);
  });
});

test("known servers are ours and those that a rule names", () => {
  const { policy } = setUp([
    { servers: ["partner.example"], classes: ["national"] },
    { users: ["@carol:friends.example"], classes: ["internal"] },
    { tokens: ["crm"], classes: ["national"] },
  ]);
  const servers = ["example.org", "partner.example", "friends.example", "evil.example", "crm"];
  expect(servers.map((server) => policy.isKnownServer(server))).toEqual([true, true, true, false, false]);
});

describe("attempts per minute", () => {
  const rules: readonly PolicyRule[] = [{ servers: ["*"], tokens: ["crm"], classes: ["national"] }];

  test("six per user in any 60 s, refused numbers counted too, others untouched", () => {
    const { ask, clock } = setUp(rules);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(ask(ALICE, NUMBERS.national)).toBe("allowed");
      expect(ask(ALICE, NUMBERS.premium)).toBe("NUMBER_NOT_PERMITTED");
      clock.advance(10_000);
    }
    expect(ask(ALICE, NUMBERS.national)).toBe("LIMIT_REACHED");
    expect(ask(user("@bob:example.org"), NUMBERS.national)).toBe("allowed");
    clock.advance(30_000);
    expect(ask(ALICE, NUMBERS.national)).toBe("allowed");
  });

  test("says how long to wait", () => {
    const { policy, clock } = setUp(rules, 1);
    const number = parseNumber(NUMBERS.national, { country: "FR", extensionPatterns: [] });
    policy.authorize(token("crm"), number);
    clock.advance(36_500);
    expect(() => policy.authorize(token("crm"), number)).toThrow("Try again in 24 s");
  });

  test("subjects that are quiet again are forgotten", () => {
    const clock = createManualClock();
    const limit = createRateLimit({ perMinute: 1, clock });
    const all = Array.from({ length: 1500 }, (_, index) => `@u${index}:example.org`);
    expect(all.every((subject) => limit.attempt(subject) === 0)).toBe(true);
    expect(limit.attempt("@u0:example.org")).toBe(60_000);
    clock.advance(60_000);
    expect(all.every((subject) => limit.attempt(subject) === 0)).toBe(true);
  });
});
