import { expect, test } from "@jest/globals";

import { BAR_NAMES, BARS, barInWords, judge } from "../../../deploy/bench/bars.ts";
import { median, p95, percentile } from "../../../deploy/bench/stats.ts";
import { verdictTable } from "../../../deploy/bench/table.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => count - i);

test.each([
  [[7], 7, 7],
  [[3, 1, 2], 2, 3],
  [[4, 1, 3, 2], 2.5, 4],
  [upTo(40), 20.5, 38],
  [upTo(100), 50.5, 95],
])("median and p95 of %j", (samples, middle, high) => {
  expect(median(samples)).toBe(middle);
  expect(p95(samples)).toBe(high);
});

test("a percentile is a value that was measured, in any order, and the samples stay as they are", () => {
  const samples = [30, 10, 20];
  expect([0, 0.5, 1].map((p) => percentile(samples, p))).toEqual([10, 20, 30]);
  expect(samples).toEqual([30, 10, 20]);
  expect(percentile([], 0.5)).toBeNaN();
});

test("a p95 bar may be missed by one run in twenty, a median bar by half, the others by none", () => {
  const around = (limit: number, above: number, total: number) =>
    Array.from({ length: total }, (_, i) => (i < above ? limit + 1 : limit));
  expect(judge("invite", around(150, 2, 40)).met).toBe(true);
  expect(judge("invite", around(150, 3, 40)).met).toBe(false);
  expect(judge("delay-in", around(40, 19, 40)).met).toBe(true);
  expect(judge("delay-in", around(40, 21, 40)).met).toBe(false);
  expect(judge("left-sip", [0]).met).toBe(true);
  expect(judge("left-sip", [1]).met).toBe(false);
});

test("a bar that was not measured, or not to a number, is not met", () => {
  for (const name of BAR_NAMES) expect(judge(name, []).met).toBe(false);
  expect(judge("memory", [1, Number.NaN]).met).toBe(false);
});

test("the table has a line for each figure, with its bar and whether it is met", () => {
  const verdicts = [judge("invite", [10, 20, 30.4]), judge("cpu-growth", [1.234]), judge("left-files", [])];
  const lines = verdictTable(verdicts, true).split("\n");
  const cells = lines.slice(2).map((line) => line.split("|").map((cell) => cell.trim()));
  expect(cells).toEqual([
    ["", BARS.invite.figure, "ms", "20", "30", "3", "p95 ≤ 150 ms", "yes", ""],
    ["", BARS["cpu-growth"].figure, "x", "1.23", "1.23", "1", "median ≤ 1.2 x", "NO", ""],
    ["", BARS["left-files"].figure, "left", "-", "-", "0", "≤ 0 left", "NO", ""],
  ]);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(verdictTable(verdicts, false)).not.toContain("met?");
});

test("a bar in words", () => {
  expect(barInWords("memory")).toBe("median ≤ 14 MB");
});
