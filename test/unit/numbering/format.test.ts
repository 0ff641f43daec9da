import { expect, test } from "@jest/globals";
import {
  digitsFromCountry,
  formatNational,
  formatNumber,
  maskDigits,
  maskNumber,
} from "../../../src/numbering/format.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";

const number = (input: string) => parseNumber(input, { country: "FR", extensionPatterns: ["1XXX"] });

test.each([
  ["+33140506070", "+33 1 40 50 60 70", "01 40 50 60 70", "0140506070", "+33*******70"],
  ["+442079460000", "+44 20 7946 0000", "020 7946 0000", "00442079460000", "+44********00"],
  ["+870773123456", "+870 773 123 456", "773 123 456", "00870773123456", "+870*******56"],
  ["1001", "1001", "1001", "1001", "**01"],
  ["112", "112", "112", "112", "112"],
])("%s: as people read it, as its country writes it, as France dials it, as the log shows it", (input, ...expected) => {
  const parsed = number(input);
  expect([formatNumber(parsed), formatNational(parsed), digitsFromCountry(parsed, "FR"), maskNumber(parsed)]).toEqual(
    expected,
  );
});

test("any dialled string can be masked", () => {
  expect(["", "1", "123", "00442079460000", "+1"].map(maskDigits)).toEqual(["", "*", "***", "************00", "+*"]);
});
