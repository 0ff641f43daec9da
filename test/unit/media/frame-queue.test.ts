import { describe, expect, test } from "@jest/globals";

import { type Arrival, createFrameQueue } from "../../../src/media/frame-queue.ts";
import { createTone } from "../../support/media/tones.ts";

const frame = (value: number): Int16Array => new Int16Array(160).fill(value);

const createQueue = (arrival: Arrival = "smoothed") => {
  const clock = { nowMs: 0 };
  return { clock, queue: createFrameQueue(8000, arrival, () => clock.nowMs) };
};

describe("frame queue", () => {
  test("gives frames in order, copies them, and says when there is none", () => {
    const { queue } = createQueue();
    expect(queue.pop()).toBeUndefined();
    const shared = frame(1);
    queue.push(shared);
    shared.fill(2);
    queue.push(shared);
    expect(queue.pop()!.at(-1)).toBe(1);
    expect(queue.pop()!.at(-1)).toBe(2);
  });

  test("the frame handed out survives the next push", () => {
    const { queue } = createQueue();
    for (let value = 0; value < 4; value++) queue.push(frame(value));
    const handedOut = queue.pop()!;
    queue.push(frame(9));
    expect(handedOut.at(-1)).toBe(0);
  });

  test.each([
    ["smoothed", [12, 13, 14]],
    ["network", [12, 13, 14]],
  ] as const)("a burst after a stall leaves only the newest frames (%s)", (arrival, newest) => {
    const { queue } = createQueue(arrival);
    for (let value = 0; value < 15; value++) queue.push(frame(value));
    expect(newest.map(() => queue.pop()!.at(-1))).toEqual(newest);
    expect(queue.takeCounts()).toEqual({ lost: 0, dropped: 12 });
    queue.pop();
    expect(queue.takeCounts()).toEqual({ lost: 1, dropped: 0 });
  });

  /** Pushes and pops every 20 ms; the frame waits 10 ms plus what stands in the queue. */
  const run = ({ queue, clock }: ReturnType<typeof createQueue>, frames: number, value: number): void => {
    for (let i = 0; i < frames; i++) {
      queue.push(frame(value));
      clock.nowMs += 10;
      queue.pop();
      clock.nowMs += 10;
    }
  };

  test("a frame that nobody needs is taken out in a pause", () => {
    const world = createQueue();
    world.queue.push(frame(0));
    run(world, 120, 0);
    expect(world.queue.takeCounts()).toEqual({ lost: 0, dropped: 1 });
  });

  test("speech is spared for a while, then one frame is taken out of it", () => {
    const world = createQueue();
    world.queue.push(frame(9000));
    run(world, 130, 9000);
    expect(world.queue.takeCounts().dropped).toBe(0);
    run(world, 20, 9000);
    expect(world.queue.takeCounts().dropped).toBe(1);
  });

  test("what is taken out of speech leaves no step", () => {
    const { clock, queue } = createQueue();
    const tone = createTone(8000, 110);
    const heard: number[] = [];
    queue.push(tone(160));
    for (let i = 0; i < 150; i++) {
      queue.push(tone(160));
      clock.nowMs += 10;
      heard.push(...queue.pop()!);
      clock.nowMs += 10;
    }
    expect(queue.takeCounts().dropped).toBe(1);
    const steepest = heard.slice(1).reduce((most, sample, i) => Math.max(most, Math.abs(sample - heard[i]!)), 0);
    // 6000 * 2 pi * 110 / 8000 is 518 for the tone itself.
    expect(steepest).toBeLessThan(1200);
  });

  test("an empty queue is concealed for 60 ms and counted until something comes", () => {
    const { queue } = createQueue("network");
    const tone = createTone(8000, 220);
    for (let i = 0; i < 3; i++) {
      queue.push(tone(160));
      queue.pop();
    }
    expect(Array.from({ length: 5 }, () => queue.pop() !== undefined)).toEqual([true, true, true, false, false]);
    expect(queue.takeCounts()).toEqual({ lost: 5, dropped: 0 });
  });

  test("frames that turn out to be lost are not played again after they were concealed", () => {
    const { queue } = createQueue("network");
    queue.push(frame(100));
    queue.pop();
    queue.pop(); // Concealed: it is late, or lost.
    queue.push(frame(5), true); // Lost: the decoder has made it up.
    queue.push(frame(7));
    expect(queue.pop()!.at(-1)).toBe(7);
    expect(queue.takeCounts()).toEqual({ lost: 1, dropped: 0 });
  });

  test("frames that are lost while others wait are played in their place, made up here or by the decoder", () => {
    const { queue } = createQueue("network");
    const tone = createTone(8000, 220);
    queue.push(tone(160));
    queue.push(undefined);
    queue.push(tone(160), true);
    queue.push(tone(160));
    for (let i = 0; i < 4; i++) expect(Math.max(...queue.pop()!)).toBeGreaterThan(3000);
    expect(queue.takeCounts()).toEqual({ lost: 2, dropped: 0 });
  });

  test("a sender that rests is not missed, and its noise is not played", () => {
    const { queue } = createQueue("network");
    queue.push(frame(9000));
    queue.rest();
    expect(queue.pop()!.at(-1)).toBe(9000);
    queue.push(frame(3));
    queue.push(undefined);
    expect([queue.pop(), queue.pop()]).toEqual([undefined, undefined]);
    expect(queue.takeCounts()).toEqual({ lost: 0, dropped: 0 });
    expect(queue.isResting()).toBe(true);
    queue.push(frame(9000));
    expect(queue.isResting()).toBe(false);
    expect(queue.pop()!.at(-1)).toBe(9000);
  });
});

/** Numbers from 0 to 1, the same in every run. */
const createRandom = (): (() => number) => {
  let state = 12345;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
};

interface Network {
  readonly seconds: number;
  /** Delay of a frame on its way, in ms. */
  readonly delayMs: (frame: number, random: () => number) => number;
  /** Interval of the sender by our clock. */
  readonly intervalMs?: number;
  readonly talks?: (frame: number) => boolean;
}

/** Lets a sender talk over a network: frames missing, frames thrown away, and the mouth-to-mix delay (median), second by second. */
const simulate = (network: Network, arrival: Arrival = "network") => {
  const { clock, queue } = createQueue(arrival);
  const random = createRandom();
  const { intervalMs = 20, talks = () => true } = network;
  const arrivals: number[] = [];
  for (let index = 0, atMs = 0; index * intervalMs < network.seconds * 1000; index++) {
    // The SFU client gives frames in order.
    atMs = Math.max(atMs, index * intervalMs + network.delayMs(index, random));
    arrivals.push(atMs);
  }
  const seconds: { lost: number; dropped: number; delayMs: number }[] = [];
  let next = 0;
  for (let second = 0; second < network.seconds; second++) {
    const total = { lost: 0, dropped: 0 };
    const delaysMs: number[] = [];
    for (let tick = 0; tick < 50; tick++) {
      const tickMs = second * 1000 + tick * 20 + 7;
      for (; next < arrivals.length && arrivals[next]! <= tickMs; next++) {
        clock.nowMs = arrivals[next]!;
        const samples = frame(talks(next) ? 5000 : 0);
        // Tells the frames apart.
        samples[159] = next;
        queue.push(samples);
      }
      clock.nowMs = tickMs;
      const samples = queue.pop();
      const { lost, dropped } = queue.takeCounts();
      total.lost += lost;
      total.dropped += dropped;
      if (samples !== undefined && lost === 0) delaysMs.push(tickMs - samples[159]! * intervalMs);
    }
    delaysMs.sort((a, b) => a - b);
    seconds.push({ ...total, delayMs: delaysMs[delaysMs.length >> 1] ?? NaN });
  }
  return seconds;
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const lostOf = (seconds: ReturnType<typeof simulate>): number => sum(seconds.map(({ lost }) => lost));
const droppedOf = (seconds: ReturnType<typeof simulate>): number => sum(seconds.map(({ dropped }) => dropped));
const delayOf = (seconds: ReturnType<typeof simulate>): number =>
  seconds.map(({ delayMs }) => delayMs).toSorted((a, b) => a - b)[seconds.length >> 1]!;

describe("a jitter buffer that adapts", () => {
  test.each(["network", "smoothed"] as const)(
    "without jitter there is no delay but the wait for the tick (%s)",
    (arrival) => {
      const seconds = simulate({ seconds: 20, delayMs: () => 3 }, arrival);
      expect(lostOf(seconds) + droppedOf(seconds)).toBe(0);
      expect(Math.max(...seconds.map(({ delayMs }) => delayMs))).toBeLessThanOrEqual(23);
    },
  );

  test("it grows with jitter, which then costs nothing any more", () => {
    const seconds = simulate({ seconds: 60, delayMs: (_, random) => 10 + 50 * random() });
    expect(lostOf(seconds.slice(0, 5))).toBeGreaterThan(0);
    expect(lostOf(seconds.slice(10)) / (50 * 50)).toBeLessThan(0.005);
    expect(delayOf(seconds.slice(10))).toBeLessThanOrEqual(10 + 50 + 40);
  });

  test("it gives the delay back in pauses after the jitter has ended", () => {
    const seconds = simulate({
      seconds: 90,
      delayMs: (index, random) => (index < 20 * 50 ? 10 + 60 * random() : 10),
      talks: (index) => index % 100 < 70,
    });
    expect(delayOf(seconds.slice(10, 20))).toBeGreaterThan(50);
    expect(delayOf(seconds.slice(-10))).toBeLessThanOrEqual(33);
    expect(lostOf(seconds.slice(20))).toBeLessThanOrEqual(3);
  });

  test("it stays ready for a network that hiccups every four seconds", () => {
    const seconds = simulate({
      seconds: 120,
      delayMs: (index) => (index % 200 < 2 ? 70 : 10),
      talks: (index) => index % 100 < 70,
    });
    // Given back every time, each hiccup would cost three frames again: 75 in these 100 seconds.
    expect(lostOf(seconds.slice(20))).toBeLessThanOrEqual(6);
  });

  test("more jitter than 120 ms is not waited for", () => {
    const seconds = simulate({ seconds: 60, delayMs: (_, random) => 300 * random() });
    expect(Math.max(...seconds.map(({ delayMs }) => delayMs))).toBeLessThanOrEqual(300 + 140);
  });

  test.each([
    ["faster", 20 * (1 - 500e-6)],
    ["slower", 20 * (1 + 500e-6)],
  ])("a sender whose clock is 500 ppm %s costs one frame every 40 s and no delay", (_, intervalMs) => {
    const seconds = simulate({ seconds: 400, intervalMs, delayMs: () => 3, talks: (index) => index % 100 < 70 });
    const total = lostOf(seconds) + droppedOf(seconds);
    expect(total).toBeGreaterThanOrEqual(9);
    expect(total).toBeLessThanOrEqual(11);
    expect(Math.max(...seconds.map(({ delayMs }) => delayMs))).toBeLessThanOrEqual(53);
  });
});
