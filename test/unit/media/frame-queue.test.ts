import { describe, expect, test } from "@jest/globals";

import { createFrameQueue } from "../../../src/media/frame-queue.ts";

const frame = (value: number): Int16Array => Int16Array.of(value, value);

describe("frame queue", () => {
  test("gives frames in order, copies them, and says when there is none", () => {
    const queue = createFrameQueue(2, () => 0);
    const shared = frame(1);
    queue.push(shared);
    shared.fill(2);
    queue.push(shared);
    expect([...queue.pop()!]).toEqual([1, 1]);
    expect([...queue.pop()!]).toEqual([2, 2]);
    expect(queue.pop()).toBeUndefined();
  });

  test("the frame handed out survives the next push", () => {
    const queue = createFrameQueue(2, () => 0);
    for (let value = 0; value < 4; value++) queue.push(frame(value));
    const handedOut = queue.pop()!;
    queue.push(frame(9));
    expect([...handedOut]).toEqual([0, 0]);
  });

  test("a burst after a stall leaves only the newest frame", () => {
    const queue = createFrameQueue(2, () => 0);
    for (let value = 0; value < 15; value++) queue.push(frame(value));
    const left: number[] = [];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) left.push(next[0]!);
    expect(left).toEqual([12, 13, 14]);
    expect(queue.takeDropped()).toBe(12);
    expect(queue.takeDropped()).toBe(0);
  });

  /** Pushes and pops every 20 ms; the frame waits `waitMs` plus what stands in the queue. */
  const run = (queue: ReturnType<typeof createFrameQueue>, clock: { nowMs: number }, frames: number, value: number) => {
    const popped: (number | undefined)[] = [];
    for (let i = 0; i < frames; i++) {
      queue.push(frame(value));
      clock.nowMs += 10;
      popped.push(queue.pop()?.[0]);
      clock.nowMs += 10;
    }
    return popped;
  };

  test("a frame that nobody needs is taken out in a pause", () => {
    const clock = { nowMs: 0 };
    const queue = createFrameQueue(2, () => clock.nowMs);
    queue.push(frame(0));
    run(queue, clock, 120, 0);
    expect(queue.takeDropped()).toBe(1);
    expect(queue.pop()).toBeUndefined();
  });

  test("speech is spared for a while, then one frame is taken out of it", () => {
    const clock = { nowMs: 0 };
    const queue = createFrameQueue(2, () => clock.nowMs);
    queue.push(frame(9000));
    run(queue, clock, 130, 9000);
    expect(queue.takeDropped()).toBe(0);
    run(queue, clock, 20, 9000);
    expect(queue.takeDropped()).toBe(1);
  });

  test("a frame that covers jitter stays", () => {
    const clock = { nowMs: 0 };
    const queue = createFrameQueue(2, () => clock.nowMs);
    let missed = 0;
    for (let i = 0; i < 200; i++) {
      // Every tenth frame comes 15 ms late, behind the tick.
      const late = i % 10 === 9;
      if (!late) queue.push(frame(0));
      clock.nowMs += 10;
      if (queue.pop() === undefined) missed += 1;
      clock.nowMs += 5;
      if (late) queue.push(frame(0));
      clock.nowMs += 5;
    }
    // The first gap made the cushion; it is never taken away again.
    expect(missed).toBe(1);
    expect(queue.takeDropped()).toBe(0);
  });
});
