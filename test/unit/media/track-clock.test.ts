import { describe, expect, test } from "@jest/globals";

import { createTrackClock } from "../../../src/media/track-clock.ts";

const createRun = () => {
  const time = { nowMs: 0 };
  const clock = createTrackClock(() => time.nowMs);
  return {
    time,
    clock,
    /** A frame arrives now: what became of it. */
    arrive: () => {
      const verdict = clock.judge();
      if (verdict !== "early") clock.sent();
      return verdict;
    },
  };
};

describe("track clock", () => {
  test("frames with ordinary jitter pass", () => {
    const { time, arrive } = createRun();
    const verdicts = new Set<string>();
    for (let i = 0; i < 500; i++) {
      time.nowMs = i * 20 + (i % 3) * 20;
      verdicts.add(arrive());
    }
    expect([...verdicts]).toEqual(["send"]);
  });

  test("of a burst after 300 ms the old frames become silence, the newest pass, and the track is on time", () => {
    const { time, clock, arrive } = createRun();
    arrive();
    time.nowMs = 300;
    const verdicts = Array.from({ length: 15 }, arrive);
    expect(verdicts.slice(0, 11)).toEqual(Array.from({ length: 11 }, () => "late"));
    expect(verdicts.slice(12)).toEqual(["send", "send", "send"]);
    expect(clock.owed()).toBeLessThanOrEqual(0);
  });

  test("a sender that sends twice as fast as time is cut to time", () => {
    const { time, arrive } = createRun();
    let passed = 0;
    for (let i = 0; i < 1000; i++) {
      time.nowMs += 10;
      if (arrive() !== "early") passed += 1;
    }
    expect(passed).toBeLessThan(510);
  });

  test.each([19.98, 20.02])("a crystal that makes a frame every %d ms never runs into a limit", (periodMs) => {
    const { time, arrive } = createRun();
    for (let i = 0; i < 30_000; i++) {
      time.nowMs += periodMs;
      expect(arrive()).toBe("send");
    }
  });

  test("after a stall it says how many frames are missing, and goes on from there", () => {
    const { time, clock, arrive } = createRun();
    arrive();
    time.nowMs = 328;
    expect(clock.makeUp()).toBe(15);
    expect(clock.makeUp()).toBe(0);
    expect(arrive()).toBe("send");
  });
});
