import { describe, expect, test } from "@jest/globals";
import { type CallerNames, identify, readCaller } from "../../../src/calls/caller.ts";
import type { CallerAsSaid } from "../../../src/calls/ports.ts";
import type { InboundRules, Trunk } from "../../../src/calls/trunk.ts";
import { trunkId } from "../../../src/ids.ts";
import { canonicalDigits } from "../../../src/numbering/phone-number.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const names: CallerNames = {
  nameOf: (number) => (canonicalDigits(number) === "1002" ? "Reception" : undefined),
  mask: (text) => `<${text}>`,
};
const said = (number: string): CallerAsSaid => ({ number, isHidden: false });
const who = (caller: CallerAsSaid, inbound: Partial<InboundRules> = {}) => {
  const trunk: Trunk = {
    id: trunkId("xivo"),
    engine: "asterisk",
    routes: [],
    dialFormat: "e164",
    callerId: { default: { kind: "anonymous" } },
    inbound: { country: "FR", isTrusted: true, showsExternalCallers: false, ...inbound },
  };
  const { ghost, name } = identify(caller, trunk, plan, { serverName: "example.org", names });
  return { ghost, name };
};

describe("the number", () => {
  test.each([
    ["0612345678", "+33612345678"],
    ["+33 6 12 34 56 78", "+33612345678"],
    ["0033612345678", "+33612345678"],
    ["33612345678", "+33612345678"],
    ["442079460000", "+442079460000"],
    ["1001", "1001"],
  ])("%s is %s", (text, digits) => {
    expect(canonicalDigits(readCaller(said(text), plan))).toBe(digits);
  });

  test("a national number is read in the country of the trunk", () => {
    expect(canonicalDigits(readCaller(said("03012345678"), { ...plan, country: "DE" }))).toBe("+493012345678");
  });

  test.each(["", " ", "x".repeat(300), "1' OR '1'='1", "\u0000\u001b[31m", "☎️📞", "9".repeat(40), "112", "s"])(
    "broken caller id %j is anonymous",
    (text) => {
      expect(canonicalDigits(readCaller(said(text), plan))).toBe("anonymous");
    },
  );

  test("a hidden number is anonymous, whatever else is known", () => {
    expect(canonicalDigits(readCaller({ number: "0612345678", isHidden: true }, plan))).toBe("anonymous");
    expect(canonicalDigits(readCaller({ isHidden: false }, plan))).toBe("anonymous");
  });
});

describe("ghost and name", () => {
  test("an extension is itself, with its name in the directory", () => {
    expect(who(said("1001"))).toEqual({ ghost: "@tel_1001:example.org", name: "1001" });
    expect(who(said("1002"))).toEqual({ ghost: "@tel_1002:example.org", name: "Reception" });
  });

  test("a number from outside is masked in both, unless the trunk shows it", () => {
    expect(who(said("0612345678"))).toEqual({ ghost: "@tel_x<+33612345678>:example.org", name: "+33*******78" });
    expect(who(said("0612345678"), { showsExternalCallers: true })).toEqual({
      ghost: "@tel_+33612345678:example.org",
      name: "+33 6 12 34 56 78",
    });
  });

  test("an untrusted trunk makes nobody the user of a number", () => {
    expect(who(said("1002"), { isTrusted: false })).toEqual({
      ghost: "@tel_x<xivo 1002>:example.org",
      name: "1002 (not verified)",
    });
  });

  test("anonymous callers share a user", () => {
    const anonymous = { ghost: "@tel_anonymous:example.org", name: "Anonymous caller" };
    expect(who({ isHidden: true })).toEqual(anonymous);
    expect(who({ isHidden: true }, { isTrusted: false })).toEqual(anonymous);
  });
});
