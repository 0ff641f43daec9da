import { describe, expect, test } from "@jest/globals";
import { callOptionsOf, dispatchRulesOf, trunksOf } from "../../../src/config/domain.ts";
import { asteriskSection, asteriskTrunk, load, minimal, refusal } from "./files.ts";

const two = () => ({
  ...minimal(),
  asterisk: asteriskSection(),
  trunks: [
    { ...asteriskTrunk(), name: "one", inbound: { trusted: true, country: "DE" } },
    { ...asteriskTrunk(), name: "two" },
  ],
});
const rule = (name: string, changes: Record<string, unknown> = {}) => ({
  name,
  numbers: ["8500"],
  room: "!room:example.org",
  ...changes,
});

const toBob = (forward: Record<string, string>) => ({
  name: "bob",
  numbers: ["1500"],
  user: "@bob:example.org",
  forward,
});

test("rules in the words of the domain: without trunks a rule is for all of them", () => {
  const rules = [rule("all"), rule("some", { numbers: ["8501"], trunks: ["two"], callers: ["+33", "10"] })];
  expect(dispatchRulesOf(load({ ...two(), dispatch_rules: rules }))).toEqual([
    {
      name: "all",
      numbers: ["8500"],
      trunks: ["one", "two"],
      destination: { kind: "room", roomId: "!room:example.org" },
    },
    {
      name: "some",
      numbers: ["8501"],
      trunks: ["two"],
      callers: ["+33", "10"],
      destination: { kind: "room", roomId: "!room:example.org" },
    },
  ]);
});

test("where calls go on that a user does not take, in canonical form", () => {
  const rules = [toBob({ no_answer: "+33140506070", busy: "1002" })];
  const numbering = { country: "FR", extensions: ["1XXX"] };
  const [destined] = dispatchRulesOf(load({ ...two(), numbering, dispatch_rules: rules }));
  expect(destined?.destination).toEqual({
    kind: "user",
    userId: "@bob:example.org",
    forward: {
      noAnswer: { kind: "e164", e164: "+33140506070", class: "national", country: "FR" },
      busy: { kind: "extension", extension: "1002", class: "internal" },
    },
  });
});

test("what is believed of callers: nothing by default", () => {
  const [one, other] = trunksOf(load(two()));
  expect(one?.inbound).toEqual({ country: "DE", isTrusted: true, showsExternalCallers: false });
  expect(other?.inbound).toEqual({ country: "FR", isTrusted: false, showsExternalCallers: false });
  expect(callOptionsOf(load(two()))).toMatchObject({ maxInboundCalls: 60, waitingHangupMs: 600_000 });
});

describe("mistakes are named", () => {
  test.each<[string, unknown[], string]>([
    ["two rules for one call", [rule("a"), rule("b")], "b and a both take 8500 from the same trunk and callers"],
    ["one of them on one trunk only", [rule("a"), rule("b", { trunks: ["two"] })], "b and a both take 8500"],
    ["an unknown trunk", [rule("a", { trunks: ["three"] })], 'expected the name of a trunk, got "three"'],
    ["a name twice", [rule("a"), rule("a", { numbers: ["8501"] })], "a is taken"],
    ["an alias", [rule("a", { room: "#room:example.org" })], "expected a room id"],
    ["no number", [rule("a", { numbers: [] })], "expected at least one number"],
    ["a room that forwards", [rule("a", { forward: { busy: "1002" } })], "expected user: only calls to one go on"],
    [
      "an extension that does not exist",
      [toBob({ busy: "1234567" })],
      'expected numbers of the number plan (numbering), got "1234567"',
    ],
  ])("%s", (_what, rules, words) => {
    expect(refusal(() => load({ ...two(), dispatch_rules: rules }))).toContain(words);
  });
});
