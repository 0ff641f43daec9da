import type { StoredCalls } from "./calls.ts";

const FORGET_EVERY_MS = 3_600_000;

/** Forgets calls that ended longer ago than this, now and every hour; undefined keeps them all. Gives how to stop. */
export const keepCallsFor = (calls: Pick<StoredCalls, "forget">, keptMs: number | undefined): (() => void) => {
  if (keptMs === undefined) return () => undefined;
  const forget = (): void => calls.forget(Date.now() - keptMs);
  forget();
  const timer = setInterval(forget, FORGET_EVERY_MS);
  return () => clearInterval(timer);
};
