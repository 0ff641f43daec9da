import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { GatewayError } from "../../../src/errors.ts";
import { checkNumberPlan, type NumberPlan } from "../../../src/numbering/number-plan.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { canonicalDigits } from "../../../src/numbering/phone-number.ts";

const FRANCE: NumberPlan = { country: "FR", extensionPatterns: ["1XXX"], outsideLinePrefix: "0" };

const read = (input: string, plan = FRANCE): string => {
  const number = parseNumber(input, plan);
  return `${canonicalDigits(number)} ${number.class}`;
};

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "no error";
  } catch (error) {
    return error instanceof GatewayError ? error.code : "something else";
  }
};

describe("one number, one form", () => {
  test.each([
    "+33140506070",
    "+33 1 40 50 60 70",
    "+33 (0)1 40 50 60 70",
    "01 40 50 60 70",
    "01.40.50.60.70",
    "01-40-50-60-70",
    "01\u202f40\u00a050\u200960 70",
    "0033140506070",
    "0 01 40 50 60 70",
    "33140506070",
    "tel:+33140506070",
    "  +33140506070\n",
  ])("%j", (input) => {
    expect(read(input)).toBe("+33140506070 national");
  });
});

test.each([
  ["1001", "1001 internal"],
  ["10 01", "1001 internal"],
  ["+442079460000", "+442079460000 international"],
  ["00 44 20 7946 0000", "+442079460000 international"],
  // Another country behind the same country code, and one behind our own calling code: both cost more than they look.
  ["+14165551234", "+14165551234 international"],
  ["+262262201234", "+262262201234 international"],
  ["0899123456", "+33899123456 premium"],
  ["0810123456", "+33810123456 premium"],
  ["+447012345678", "+447012345678 premium"],
  ["+19005551234", "+19005551234 premium"],
  ["+870773123456", "+870773123456 premium"],
  ["+881612345678", "+881612345678 premium"],
  ["+979123456789", "+979123456789 premium"],
  ["3631", "3631 short-code"],
  ["03631", "3631 short-code"],
  ["118218", "118218 short-code"],
])("%s is %s", (input, expected) => {
  expect(read(input)).toBe(expected);
});

describe("emergency numbers come first", () => {
  test.each([
    ["112", "112"],
    ["1-1-2", "112"],
    ["0112", "112"],
    ["0-112", "112"],
    ["0 15", "15"],
    ["17", "17"],
    ["114", "114"],
    ["911", "911"],
  ])("%s reaches %s", (input, digits) => {
    expect(read(input)).toBe(`${digits} emergency`);
  });

  test("even where an extension pattern matches them, and without a configured prefix", () => {
    const greedy = { country: "FR", extensionPatterns: ["X+"] };
    expect(["112", "0112", "15"].map((input) => read(input, greedy))).toEqual([
      "112 emergency",
      "112 emergency",
      "15 emergency",
    ]);
    expect(read("9911", { country: "US", extensionPatterns: [], outsideLinePrefix: "9" })).toBe("911 emergency");
    expect(read("999", { country: "GB", extensionPatterns: [] })).toBe("999 emergency");
    expect(read("000", { country: "AU", extensionPatterns: [] })).toBe("000 emergency");
  });

  test("a short code that begins with one counts as one: switches that read digit by digit connect it", () => {
    expect(read("1129", { country: "FR", extensionPatterns: [] })).toBe("1129 emergency");
  });

  test.each(["+112", "+33112", "0033112", "00112", "+1911"])("%s is no number at all", (input) => {
    expect(codeOf(() => read(input))).toBe("INVALID_NUMBER");
  });
});

describe("hostile and broken input", () => {
  test.each([
    "",
    " ",
    "+",
    "tel:",
    "++33140506070",
    "+33140506070+",
    "1001@evil.example",
    "sip:1001@evil.example",
    "+33140506070;ext=5",
    "+33140506070;phone-context=evil",
    "+33140506070,1234",
    "+33140506070 x12",
    "+33140506070\r\nVia: evil",
    "1001\u0000",
    "\u202d+33140506070\u202c",
    "１００１",
    "٠١٤٠٥٠٦٠٧٠",
    "1-800-FLOWERS",
    "*97",
    "1001#",
    "%2B33140506070",
    "${EXTEN}",
    "9".repeat(21),
    "1".repeat(100_000),
    " ".repeat(100_000),
    "+3314050607",
    "+999123456789",
    "0",
    "7",
  ])("%j", (input) => {
    expect(codeOf(() => read(input))).toBe("INVALID_NUMBER");
  });

  test("words name what is wrong, not the number", () => {
    expect(() => read("+33140506070;ext=5")).toThrow('it holds ";"');
    expect(() => read("\u202d1001")).toThrow("U+202D");
    expect(() => read("+3314050607")).toThrow(/^(?!.*3314050607)/);
  });

  test("any text at all gives a number that can be dialled safely, or INVALID_NUMBER", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.string({ unit: fc.constantFrom(...Array.from("+0123456789 -.();=@")), maxLength: 24 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        let canonical = "";
        const code = codeOf(() => {
          canonical = canonicalDigits(parseNumber(text, FRANCE));
        });
        expect(code === "no error" ? canonical : code).toMatch(/^(\+?[0-9]{2,15}|INVALID_NUMBER)$/);
        // The canonical form is read as itself: it is what stands in the ghost's id.
        expect(canonical === "" ? "" : canonicalDigits(parseNumber(canonical, FRANCE))).toBe(canonical);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("number plans", () => {
  test("patterns are regular expressions with the letters of an Asterisk dial plan, for the whole number", () => {
    const plan = (pattern: string): NumberPlan => ({ country: "FR", extensionPatterns: [pattern] });
    expect(read("2345", plan("_NXXX"))).toBe("2345 internal");
    expect(read("201", plan("[1-3]\\d{2}"))).toBe("201 internal");
    expect(read("20123", plan("2XXX"))).toBe("20123 short-code");
  });

  test.each([
    [{ country: "XX", extensionPatterns: [] }],
    [{ country: "fr", extensionPatterns: [] }],
    [{ country: "FR", extensionPatterns: ["1("] }],
    [{ country: "FR", extensionPatterns: ["X*"] }],
    [{ country: "FR", extensionPatterns: [], outsideLinePrefix: "+" }],
  ])("%j is refused at start", (plan) => {
    expect(codeOf(() => checkNumberPlan(plan))).toBe("CONFIG_INVALID");
  });

  test("a sound one is accepted", () => {
    expect(() => checkNumberPlan(FRANCE)).not.toThrow();
  });
});
