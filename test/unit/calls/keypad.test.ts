import { expect, test } from "@jest/globals";
import { createKeypad } from "../../../src/calls/keypad.ts";

const pressed = (keys: string): readonly (string | undefined)[] => {
  const keypad = createKeypad(() => 0);
  return Array.from(keys, (key) => keypad.press(key));
};

test.each([
  ["*4", [undefined, "quieter"]],
  ["*5", [undefined, "louder"]],
  ["*6", [undefined, "mute"]],
  ["*9", [undefined, "hand"]],
  ["*0", [undefined, "count"]],
  ["#", ["help"]],
  // A second star begins anew; other keys end what was begun.
  ["**6", [undefined, undefined, "mute"]],
  ["*16", [undefined, undefined, undefined]],
  ["*#", [undefined, undefined]],
  ["690", [undefined, undefined, undefined]],
])("%s", (keys, commands) => {
  expect(pressed(keys)).toEqual(commands);
});

test("a star counts for four seconds", () => {
  let nowMs = 0;
  const keypad = createKeypad(() => nowMs);
  keypad.press("*");
  nowMs = 4000;
  expect(keypad.press("6")).toBe("mute");
  keypad.press("*");
  nowMs = 8001;
  expect(keypad.press("6")).toBeUndefined();
});

test("a flood of keys is ten commands in ten seconds", () => {
  let nowMs = 0;
  const keypad = createKeypad(() => nowMs);
  const flood = (): number => Array.from({ length: 50 }, () => keypad.press("#")).filter(Boolean).length;
  expect(flood()).toBe(10);
  nowMs = 9999;
  expect(flood()).toBe(0);
  nowMs = 10_000;
  expect(flood()).toBe(10);
});
