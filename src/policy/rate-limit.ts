import type { Clock } from "../clock.ts";

const WINDOW_MS = 60_000;
/** From this many subjects on, those without an attempt in the window are forgotten (a federated room has many strangers). */
const SWEEP_FROM_SUBJECTS = 1000;

export interface RateLimit {
  /** Counts an attempt and returns 0, or returns in how many milliseconds the next one is possible (and counts nothing). */
  attempt(subject: string): number;
}

/** Sliding window of 60 s, one per subject. */
export const createRateLimit = ({
  perMinute,
  clock,
}: {
  readonly perMinute: number;
  readonly clock: Clock;
}): RateLimit => {
  const attemptsAtMs = new Map<string, readonly number[]>();
  const sweep = (nowMs: number): void => {
    for (const [subject, times] of attemptsAtMs) {
      if ((times.at(-1) ?? 0) <= nowMs - WINDOW_MS) attemptsAtMs.delete(subject);
    }
  };
  return {
    attempt: (subject) => {
      const nowMs = clock.nowMs();
      if (attemptsAtMs.size >= SWEEP_FROM_SUBJECTS) sweep(nowMs);
      const recent = (attemptsAtMs.get(subject) ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS);
      const oldest = recent[0];
      if (oldest !== undefined && recent.length >= perMinute) return oldest + WINDOW_MS - nowMs;
      attemptsAtMs.set(subject, [...recent, nowMs]);
      return 0;
    },
  };
};
