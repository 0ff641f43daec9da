import { describe, expect, test } from "@jest/globals";
import { ghostOf, parseGhost, parseGhostLocalpart } from "../../../src/numbering/ghost-id.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const parse = (localpart: string) => parseGhostLocalpart(localpart, plan, "example.org");

test.each(["tel_+33140506070", "tel_1001", "tel_112", "tel_3631"])(
  "%s stands for its number and no other",
  (localpart) => {
    expect(ghostOf(parse(localpart), "example.org")).toBe(`@${localpart}:example.org`);
  },
);

test.each([
  ["tel_0140506070", "@tel_+33140506070:example.org"],
  ["tel_33140506070", "@tel_+33140506070:example.org"],
  ["tel_0033140506070", "@tel_+33140506070:example.org"],
  ["tel_0112", "@tel_112:example.org"],
])("%s is refused, naming %s", (localpart, right) => {
  expect(() => parse(localpart)).toThrow(expect.objectContaining({ code: "NUMBER_NOT_CANONICAL" }));
  expect(() => parse(localpart)).toThrow(`use ${right}`);
});

describe("no phone number", () => {
  test.each([
    "tel_",
    "tel_+",
    "tel_abc",
    "tel_xgezdgnbvgy3t",
    "tel_+33 140506070",
    "tel_+33140506070;x",
    "alice",
    "tel_%2B33140506070",
    `tel_${"1".repeat(300)}`,
  ])("%s", (localpart) => {
    expect(() => parse(localpart)).toThrow(expect.objectContaining({ code: "INVALID_NUMBER" }));
  });
});

test("only ids of our own server and namespace are ghosts", () => {
  expect(parseGhost("@tel_1001:example.org", plan, "example.org")).toEqual(parseNumber("1001", plan));
  expect(parseGhost("@tel_1001:other.org", plan, "example.org")).toBeUndefined();
  expect(parseGhost("@alice:example.org", plan, "example.org")).toBeUndefined();
});
