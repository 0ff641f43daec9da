import { expect, test } from "@jest/globals";
import { type DispatchRule, findConflicts, findRule } from "../../../src/calls/dispatch.ts";
import { roomId, trunkId } from "../../../src/ids.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import type { PhoneNumber } from "../../../src/numbering/phone-number.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const rule = (name: string, changes: Partial<DispatchRule> = {}): DispatchRule => ({
  name,
  numbers: ["8500"],
  trunks: [trunkId("xivo")],
  destination: { kind: "room", roomId: roomId(`!${name}:example.org`) },
  ...changes,
});
const ANONYMOUS: PhoneNumber = { kind: "anonymous", class: "anonymous" };

const found = (rules: readonly DispatchRule[], called: string, caller: PhoneNumber = ANONYMOUS, trunk = "xivo") =>
  findRule(rules, { called, caller, trunkId: trunkId(trunk), plan })?.name;

test("number and trunk must fit", () => {
  const rules = [rule("room"), rule("other", { numbers: ["8501"], trunks: [trunkId("xivo"), trunkId("two")] })];
  expect(found(rules, "8500")).toBe("room");
  expect(found(rules, "8501", ANONYMOUS, "two")).toBe("other");
  expect(found(rules, "8500", ANONYMOUS, "two")).toBeUndefined();
  expect(found(rules, "8599")).toBeUndefined();
});

test.each(["0140506070", "+33140506070", "0033140506070"])("an E.164 number also fits as %s", (called) => {
  expect(found([rule("room", { numbers: ["+33140506070"] })], called)).toBe("room");
});

test.each([
  ["1001", "desk 1001"],
  ["1002", "desks"],
  ["+33612345678", "all"],
])("caller %s gets the rule that knows it best: %s", (caller, name) => {
  const rules = [rule("all"), rule("desks", { callers: ["10", "20"] }), rule("desk 1001", { callers: ["1001"] })];
  expect(found(rules, "8500", parseNumber(caller, plan))).toBe(name);
});

test("an anonymous caller gets no rule for certain callers", () => {
  expect(found([rule("desks", { callers: ["10"] })], "8500")).toBeUndefined();
});

test("two rules for the same call are a conflict, rules that differ in number, trunk or callers are none", () => {
  const rules = [
    rule("first"),
    rule("same"),
    rule("number", { numbers: ["8501"] }),
    rule("trunk", { trunks: [trunkId("two")] }),
    rule("callers", { callers: ["10"] }),
    rule("callers again", { callers: ["+33", "10"] }),
  ];
  expect(findConflicts(rules)).toEqual([
    { first: 0, second: 1, number: "8500" },
    { first: 4, second: 5, number: "8500" },
  ]);
});
