import { expect, test } from "@jest/globals";
import { createPinDefence, type PinAlarm } from "../../../src/dialin/pin-defence.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const MINUTE_MS = 60_000;

const start = () => {
  const clock = createManualClock();
  const alarms: PinAlarm[] = [];
  const defence = createPinDefence({ clock, onAlarm: (alarm) => alarms.push(alarm) });
  /** An attempt that waits its delay and is then answered. */
  const attempt = (caller: string | undefined, conference: string, isRight = false): number => {
    const begun = defence.begin(caller, conference);
    clock.advance(begun.delayMs);
    begun.settle(isRight);
    return begun.delayMs;
  };
  const delays = (
    count: number,
    caller: (index: number) => string | undefined,
    conference: (index: number) => string,
  ) => Array.from({ length: count }, (_, index) => attempt(caller(index), conference(index)));
  return { clock, alarms, defence, attempt, delays };
};

test("three wrong PINs of a caller are free, then each waits longer, up to a minute", () => {
  const { delays } = start();
  expect(delays(11, () => "+33612345678", String)).toEqual([
    0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

test("a guesser's many lines are answered one after the other, and nobody waits longer than a minute and a half", () => {
  const { defence, delays } = start();
  delays(4, () => "+33612345678", String);
  const waits = Array.from({ length: 12 }, (_, line) => defence.begin("+33612345678", `line ${line}`).delayMs);
  expect(waits.slice(0, 4)).toEqual([2000, 6000, 14_000, 30_000]);
  expect(Math.max(...waits)).toBe(90_000);
});

test("many right PINs from one company's number at the same time do not wait", () => {
  const { defence } = start();
  const attempts = Array.from({ length: 12 }, () => defence.begin("+33140506070", "123456"));
  expect(attempts.map(({ delayMs }) => delayMs)).toEqual(Array(12).fill(0));
});

test("other callers' guesses delay a conference by 4 s at most, side by side, whether it exists or not", () => {
  const { defence, delays } = start();
  const guessed = delays(
    40,
    (index) => `caller ${index}`,
    () => "123456",
  );
  expect(guessed.slice(0, 15)).toEqual([...Array(10).fill(0), 500, 1000, 2000, 4000, 4000]);
  const waits = Array.from({ length: 5 }, () => defence.begin("+33140506070", "123456").delayMs);
  expect(waits).toEqual(Array(5).fill(4000));
  expect(defence.begin("+33140506070", "654321").delayMs).toBe(0);
});

test("callers without a number slow each other down no more than a conference does", () => {
  const { attempt, delays } = start();
  delays(30, () => undefined, String);
  expect(attempt(undefined, "123456", true)).toBe(0);
});

test("a right PIN buys no new guesses; time does, one in five minutes", () => {
  const { attempt, delays, clock } = start();
  delays(4, () => "+33612345678", String);
  expect(attempt("+33612345678", "own", true)).toBe(2000);
  expect(attempt("+33612345678", "own", true)).toBe(2000);
  clock.advance(5 * MINUTE_MS);
  expect(attempt("+33612345678", "x")).toBe(1000);
  clock.advance(60 * MINUTE_MS);
  expect(attempt("+33612345678", "y")).toBe(0);
});

test("the alarm rings at thirty wrong PINs of the whole gateway within ten minutes, once per ten minutes", () => {
  const { alarms, attempt, clock } = start();
  const guess = (count: number) => {
    for (let i = 0; i < count; i++) attempt(`caller ${i} ${clock.nowMs()}`, `room ${i}`);
  };
  guess(29);
  for (let i = 0; i < 30; i++) attempt(`honest ${i}`, "own", true);
  expect(alarms).toEqual([]);
  guess(1);
  expect(alarms).toEqual([{ wrong: 30, windowMs: 10 * MINUTE_MS }]);
  guess(50);
  expect(alarms).toHaveLength(1);
  clock.advance(11 * MINUTE_MS);
  guess(29);
  expect(alarms).toHaveLength(1);
  guess(1);
  expect(alarms).toHaveLength(2);
});

test("what is kept has a bound: of very many callers the oldest is forgotten", () => {
  const { attempt, defence } = start();
  for (let i = 0; i < 4; i++) attempt("first", `room ${i}`);
  expect(defence.begin("first", "x").delayMs).toBeGreaterThan(0);
  for (let i = 0; i < 10_000; i++) defence.begin(`caller ${i}`, "room");
  expect(defence.begin("first", "y").delayMs).toBe(0);
});
