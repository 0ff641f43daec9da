import { describe, expect, test } from "@jest/globals";

import { startTicker } from "../../../src/media/tick.ts";
import { createManualClock } from "../../support/media/manual-clock.ts";

describe("tick", () => {
  test("does not drift, however late each tick is", () => {
    const clock = createManualClock();
    const ticks: number[] = [];
    const ticker = startTicker(clock, 20, () => {
      ticks.push(clock.nowMs());
      clock.stall(3); // the work of the tick takes time
    });
    clock.advance(2000);
    ticker.stop();
    expect(ticks).toHaveLength(100);
    expect(ticks.at(-1)).toBe(2000);
  });

  test("makes up for one tick that was missed", () => {
    const clock = createManualClock();
    const ticks: (readonly [atMs: number, skipped: number])[] = [];
    startTicker(clock, 20, (skipped) => ticks.push([clock.nowMs(), skipped]));
    clock.stall(45);
    clock.advance(15);
    expect(ticks).toEqual([
      [45, 0],
      [45, 0],
      [60, 0],
    ]);
  });

  test("drops the ticks of a stall and says how many", () => {
    const clock = createManualClock();
    const skipped: number[] = [];
    const ticker = startTicker(clock, 20, (count) => skipped.push(count));
    clock.advance(40);
    clock.stall(300);
    clock.advance(20);
    expect(skipped).toEqual([0, 0, 14, 0]);
    ticker.stop();
    clock.advance(1000);
    expect(skipped).toHaveLength(4);
  });
});
