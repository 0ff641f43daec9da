import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 50;

/**
 * Looks until `look` gives something, for what servers tell only when asked. The error says what was awaited and what `seen` (or the
 * last failed look) showed instead.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  { withinMs = 10_000, seen }: { withinMs?: number; seen?: () => unknown } = {},
): Promise<T> {
  let failure: string | undefined;
  for (const endMs = performance.now() + withinMs; ; await delay(POLL_MS)) {
    failure = undefined;
    const found = await look().catch((error: unknown) => {
      failure = error instanceof Error ? error.message : "an unknown error";
      return undefined;
    });
    if (found !== undefined) return found;
    if (performance.now() > endMs) {
      const instead = failure ?? (seen === undefined ? "nothing of it" : JSON.stringify(seen()));
      throw new Error(`waited ${withinMs / 1000} s for ${what}; seen: ${instead}`);
    }
  }
}
