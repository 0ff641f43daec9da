import { describe, expect, test } from "@jest/globals";
import type { Subject } from "../../../src/calls/ports.ts";
import { callerIdFor, type DialFormat, dialString, selectTrunks, type Trunk } from "../../../src/calls/trunk.ts";
import { type E164, type Extension, trunkId, userId } from "../../../src/ids.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const number = (input: string) => parseNumber(input, plan);
const trunk = (changes: Partial<Trunk>): Trunk => ({
  id: trunkId("t"),
  engine: "asterisk",
  routes: [],
  dialFormat: "e164",
  callerId: { default: { kind: "anonymous" } },
  inbound: { country: "FR", isTrusted: true, showsExternalCallers: false },
  ...changes,
});

test("trunks are tried in the order of the configuration, each that has a route by class or prefix", () => {
  const trunks = [
    trunk({ id: trunkId("mobile"), routes: [{ prefix: "+336" }] }),
    trunk({ id: trunkId("france"), routes: [{ class: "national" }, { prefix: "+377" }] }),
    trunk({ id: trunkId("pbx"), routes: [{ class: "internal" }] }),
  ];
  const ids = (input: string): readonly string[] => selectTrunks(number(input), trunks).map(({ id }) => id);
  expect(ids("+33612345678")).toEqual(["mobile", "france"]);
  expect(ids("+33140506070")).toEqual(["france"]);
  expect(ids("+37799123456")).toEqual(["france"]);
  expect(ids("1001")).toEqual(["pbx"]);
  expect(ids("112")).toEqual([]);
});

describe("dial formats", () => {
  test.each<[DialFormat, string, string, string, string]>([
    ["e164", "+33140506070", "+442079460000", "1001", "3631"],
    ["without-plus", "33140506070", "442079460000", "1001", "3631"],
    ["national", "0140506070", "00442079460000", "1001", "3631"],
    [{ prefix: "0" }, "00140506070", "000442079460000", "1001", "03631"],
  ])("%j", (dialFormat, national, foreign, extension, short) => {
    const dial = (input: string): string => dialString(number(input), trunk({ dialFormat }), "FR");
    expect([dial("0140506070"), dial("+442079460000"), dial("1001"), dial("3631")]).toEqual([
      national,
      foreign,
      extension,
      short,
    ]);
  });
});

test("a user's own caller id comes before the trunk's", () => {
  const alice: Subject = { kind: "user", userId: userId("@alice:example.org") };
  const bob: Subject = { kind: "user", userId: userId("@bob:example.org") };
  const token: Subject = { kind: "token", name: "@alice:example.org" };
  const main = { kind: "number", number: "+33140506000" as E164 } as const;
  const own = { kind: "number", number: "1001" as Extension } as const;
  const rules = trunk({ callerId: { default: main, perUser: { "@alice:example.org": own } } });
  expect([alice, bob, token].map((subject) => callerIdFor(subject, rules))).toEqual([own, main, main]);
});
