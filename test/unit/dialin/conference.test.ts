import { expect, test } from "@jest/globals";
import { groupDigits, newConferenceId, newPin } from "../../../src/dialin/conference.ts";

test("a PIN has eight digits where nothing else is asked for, and no two are alike", () => {
  const pins = Array.from({ length: 200 }, () => newPin());
  expect(pins.every((pin) => /^\d{8}$/.test(pin))).toBe(true);
  expect(new Set(pins).size).toBe(200);
  // Every digit at the first place, zero as well: 200 draws miss one of ten with a chance of 10⁻⁸.
  expect(new Set(pins.map((pin) => pin[0])).size).toBe(10);
});

test.each([6, 16])("a PIN of %i digits can be had", (digits) => {
  expect(newPin(digits)).toMatch(new RegExp(`^\\d{${digits}}$`));
});

test.each([5, 0, 17, 6.5, Number.NaN])("a PIN of %d digits is a configuration error", (digits) => {
  expect(() => newPin(digits)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});

test("a conference id has six digits, no zero in front, and is not taken", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) seen.add(newConferenceId((id) => seen.has(id)));
  expect(seen.size).toBe(200);
  expect([...seen].every((id) => /^[1-9]\d{5}$/.test(id))).toBe(true);
});

test("when every number is taken there is an end of trying", () => {
  expect(() => newConferenceId(() => true)).toThrow(expect.objectContaining({ code: "LIMIT_REACHED" }));
});

test.each([
  ["123456", "123 456"],
  ["12345678", "1234 5678"],
  ["1234567", "123 456 7"],
  ["123", "123"],
])("%s is read as %s", (digits, grouped) => {
  expect(groupDigits(digits)).toBe(grouped);
});
