import { setTimeout as delay } from "node:timers/promises";
import type { RoomId } from "../../ids.ts";

/** A device that was just made is told everything at once: a phone is waiting for it. */
const HURRIES_FOR_MS = 10_000;
/** Ghosts of a room that cost nothing worth saving. */
const FEW = 4;
const PER_GHOST_MS = 25;
/** js-sdk uses a media key 1 s after it has sent it: a ghost that looks more rarely would miss the beginning. */
const LONGEST_MS = 1000;

export interface PacedDevice {
  /** `fetchFn` with pauses before its `/sync` requests. */
  pace(fetchFn: typeof globalThis.fetch): typeof globalThis.fetch;
  /** The device is gone. */
  leave(): void;
}

type Wait = (ms: number, value: undefined, options: { ref: boolean; signal?: AbortSignal }) => Promise<unknown>;

export interface SyncPace {
  enter(room: RoomId): PacedDevice;
}

/** @param ghosts devices in one room */
export const pauseMs = (ghosts: number): number => Math.min(LONGEST_MS, Math.max(0, ghosts - FEW) * PER_GHOST_MS);

/**
 * Every event of a room is told to every ghost in it, one `/sync` each: with forty phones, homeserver and gateway would do little else while
 * somebody joins. So the ghosts of a full room pause between their requests, and events come to them in bunches.
 */
export const createSyncPace = (nowMs: () => number, wait: Wait = delay): SyncPace => {
  const ghosts = new Map<RoomId, number>();
  const count = (room: RoomId, more: 1 | -1): void => {
    const there = (ghosts.get(room) ?? 0) + more;
    if (there === 0) ghosts.delete(room);
    else ghosts.set(room, there);
  };
  return {
    enter: (room) => {
      const sinceMs = nowMs();
      let isGone = false;
      count(room, 1);
      return {
        pace: (fetchFn) => async (input, init) => {
          const { pathname } = new URL(input instanceof Request ? input.url : input);
          const waitMs = nowMs() - sinceMs < HURRIES_FOR_MS ? 0 : pauseMs(ghosts.get(room) ?? 0);
          if (waitMs > 0 && pathname.endsWith("/sync")) {
            await wait(waitMs, undefined, { ref: false, ...(init?.signal ? { signal: init.signal } : {}) });
          }
          return fetchFn(input, init);
        },
        leave: () => {
          if (!isGone) count(room, -1);
          isGone = true;
        },
      };
    },
  };
};
