import type { Clock } from "../../../src/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on; what became due runs in order, each at its time. */
  advance(ms: number): void;
  /** Moves time on without running anything: the process was stopped. */
  stall(ms: number): void;
}

export const createManualClock = (): ManualClock => {
  let nowMs = 0;
  const timers = new Set<{ dueMs: number; callback: () => void }>();
  return {
    nowMs: () => nowMs,
    after(delayMs, callback) {
      const timer = { dueMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const next = [...timers].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.callback();
      }
      nowMs = untilMs;
    },
    stall(ms) {
      nowMs += ms;
    },
  };
};
