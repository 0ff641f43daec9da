import { expect, test } from "@jest/globals";

import { type CapacityRow, isGood } from "../../../deploy/bench/capacity/measure.ts";
import { capacityPicture } from "../../../deploy/bench/capacity/picture.ts";
import { capacityTable } from "../../../deploy/bench/capacity/run.ts";

const row = (phones: number, gateway: number, more: Partial<CapacityRow> = {}): CapacityRow => ({
  client: "light",
  phones,
  gateway,
  asterisk: 1,
  sfu: 0.5,
  windows: [{ gateway, asterisk: 1, sfu: 0.5 }],
  machineBusyPercent: 50,
  memoryMbPerPhone: 1.25,
  leastHeardPercent: 99.9,
  delayInMs: 20,
  delayOutMs: 30,
  ...more,
});

test.each([
  [{}, true],
  [{ leastHeardPercent: 99.4 }, false],
  [{ delayInMs: 41 }, false],
  [{ delayOutMs: Number.NaN }, false],
])("quality with %j is held: %s", (more, good) => {
  expect(isGood(row(30, 0.7, more))).toBe(good);
});

test("the table has a line for each row, and says where quality was not held", () => {
  const lines = capacityTable([row(10, 1.2), row(100, 0.8, { leastHeardPercent: 90 })]).split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[2]).toMatch(/\| light +\| 10 +\| 1\.20 .* 2\.70 .* yes +\|/);
  expect(lines[3]).toMatch(/ NO +\|$/);
});

test("the picture has a line per part and client, inside its frame, without the single phone", () => {
  const rows = [row(1, 6), row(10, 1.2), row(30, 0.7), row(10, 4, { client: "native" })];
  const svg = capacityPicture(rows, "2 cores");
  const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, points]) => points!.split(" "));
  expect(lines.map((points) => points.length)).toEqual([2, 2, 2, 1, 1, 1]);
  for (const [x, y] of lines.flat().map((point) => point.split(",").map(Number))) {
    expect(x).toBeGreaterThanOrEqual(60);
    expect(x).toBeLessThanOrEqual(560);
    expect(y).toBeGreaterThanOrEqual(40);
    expect(y).toBeLessThanOrEqual(340);
  }
});
