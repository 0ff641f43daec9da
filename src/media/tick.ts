import type { Clock } from "../clock.ts";

export interface Ticker {
  stop(): void;
}

/** What the receivers' buffers cover, if it comes at last. */
const MADE_UP_TICKS = 1;

/**
 * Calls `onTick` every `periodMs` without drift: each tick is scheduled from the first one, not from the one before. A tick that was missed is made
 * up for; when there are more (the process was stopped, the machine busy), they are dropped, as they would only be delay: `skipped` says how many.
 */
export const startTicker = (clock: Clock, periodMs: number, onTick: (skipped: number) => void): Ticker => {
  let dueMs = clock.nowMs() + periodMs;
  let cancel = (): void => {};
  const schedule = (): void => {
    // Timers count whole milliseconds and round down: a tick must not come early.
    cancel = clock.after(Math.max(0, Math.ceil(dueMs - clock.nowMs())), fire);
  };
  const fire = (): void => {
    const missed = Math.floor((clock.nowMs() - dueMs) / periodMs);
    const skipped = missed > MADE_UP_TICKS ? missed : 0;
    dueMs += (skipped + 1) * periodMs;
    schedule();
    onTick(skipped);
  };
  schedule();
  return { stop: () => cancel() };
};
