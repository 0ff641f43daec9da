import type { Clock } from "../clock.ts";

export interface Ticker {
  stop(): void;
}

/**
 * Calls `onTick` every `periodMs` without drift: each tick is scheduled from the first one, not from the one before. Ticks that
 * are late by a period or more (the process was stopped, the machine busy) are dropped, not caught up; `skipped` says how many.
 */
export const startTicker = (clock: Clock, periodMs: number, onTick: (skipped: number) => void): Ticker => {
  let dueMs = clock.nowMs() + periodMs;
  let cancel = (): void => {};
  const schedule = (): void => {
    // Timers count whole milliseconds and round down: a tick must not come early.
    cancel = clock.after(Math.max(0, Math.ceil(dueMs - clock.nowMs())), fire);
  };
  const fire = (): void => {
    const skipped = Math.max(0, Math.floor((clock.nowMs() - dueMs) / periodMs));
    dueMs += (skipped + 1) * periodMs;
    schedule();
    onTick(skipped);
  };
  schedule();
  return { stop: () => cancel() };
};
