import type { Clock } from "../../src/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on and runs what falls due, in order. */
  advance(ms: number): void;
  /** Timers that are armed. */
  armed(): number;
}

export const createManualClock = (startMs = 1_000_000): ManualClock => {
  let nowMs = startMs;
  let waiting: { readonly atMs: number; readonly callback: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    after: (delayMs, callback) => {
      const entry = { atMs: nowMs + delayMs, callback };
      waiting.push(entry);
      return () => {
        waiting = waiting.filter((other) => other !== entry);
      };
    },
    advance: (ms) => {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = waiting.filter(({ atMs }) => atMs <= untilMs).sort((one, other) => one.atMs - other.atMs);
        if (next === undefined) break;
        waiting = waiting.filter((entry) => entry !== next);
        nowMs = next.atMs;
        next.callback();
      }
      nowMs = untilMs;
    },
    armed: () => waiting.length,
  };
};
