import { setTimeout as delay } from "node:timers/promises";
import type { RoomId } from "../../ids.ts";

/** A device of a chat that was just made. */
const HURRIES_AT_FIRST_MS = 10_000;
/** After its membership was written, or a member has come or left: keys are exchanged now. */
const HURRIES_AGAIN_MS = 3000;
/** Rooms with so many ghosts cost nothing worth saving. */
const FEW = 4;
const PER_GHOST_MS = 250;
const LONGEST_MS = 10_000;
/** Members use a new media key 1 s after they have sent it, and the worker needs it from one ghost only: the oldest ones of a room look for them. */
const WATCHERS = 2;
const WATCHER_PAUSE_MS = 250;
/** Ghosts that are made ready at the same time slow each other down: events come to them in small bunches. */
const FEW_HURRY = 2;
const PER_HURRYING_MS = 100;
const LONGEST_HURRY_MS = 1000;

export interface PacedDevice {
  /** `fetchFn` with pauses before its `/sync` requests. */
  pace(fetchFn: typeof globalThis.fetch): typeof globalThis.fetch;
  /** Its ghost is in the room now. Harmless when it was before. */
  joined(): void;
  /** Its membership is written: it hurries until the keys are exchanged, at most for some seconds. */
  published(): void;
  /** The keys are exchanged: nothing is waiting any more. */
  settled(): void;
  /** The device is gone. */
  leave(): void;
}

type Wait = (ms: number, value: undefined, options: { ref: boolean; signal: AbortSignal }) => Promise<unknown>;

export interface SyncPace {
  /** `joinsLater`: its first `/sync`, which brings the room, waits for `joined()` and then for nothing else. */
  enter(room: RoomId, options?: { readonly joinsLater: boolean }): PacedDevice;
  /** Somebody who is not a phone has come, left or changed something: all ghosts of the room are to know at once. */
  hurry(room: RoomId): void;
}

/** How long a device waits between two requests. */
export const pauseMs = (room: {
  readonly ghosts: number;
  readonly hurrying: number;
  readonly role: "watches" | "hurries" | "idles";
}): number => {
  if (room.ghosts <= FEW) return 0;
  if (room.role === "watches") return WATCHER_PAUSE_MS;
  if (room.role === "hurries") {
    return Math.min(LONGEST_HURRY_MS, Math.max(0, room.hurrying - FEW_HURRY) * PER_HURRYING_MS);
  }
  return Math.min(LONGEST_MS, (room.ghosts - FEW) * PER_GHOST_MS);
};

interface Device {
  /** Until the first `/sync` of a device whose ghost joins later. */
  join: PromiseWithResolvers<void> | undefined;
  hurriesUntilMs: number;
  wake: AbortController;
}

/**
 * Every event of a room is told to every ghost in it, one `/sync` each: with forty phones, homeserver and gateway would do little else while
 * another one comes. Ghosts need little of that, so those of a full room pause between their requests, and events come to them in bunches; the
 * oldest ones go on watching.
 */
export const createSyncPace = (nowMs: () => number, wait: Wait = delay): SyncPace => {
  /** The oldest first. */
  const rooms = new Map<RoomId, Set<Device>>();

  const hurryFor = (device: Device, ms: number): void => {
    device.hurriesUntilMs = nowMs() + ms;
    device.wake.abort();
    device.wake = new AbortController();
  };
  const pauseOf = (room: RoomId, device: Device): number => {
    const devices = [...(rooms.get(room) ?? [])];
    const hurries = ({ hurriesUntilMs }: Device): boolean => nowMs() < hurriesUntilMs;
    const watches = devices.indexOf(device) < WATCHERS ? "watches" : "idles";
    return pauseMs({
      ghosts: devices.length,
      hurrying: devices.filter(hurries).length,
      role: hurries(device) ? "hurries" : watches,
    });
  };
  /** Ends early when the device is to hurry; rejects when its request is given up. */
  const pause = async (device: Device, ms: number, signal: AbortSignal | null | undefined): Promise<void> => {
    if (ms === 0) return;
    const ends = AbortSignal.any([device.wake.signal, ...(signal ? [signal] : [])]);
    try {
      await wait(ms, undefined, { ref: false, signal: ends });
    } catch (error) {
      if (signal?.aborted === true || !ends.aborted) throw error;
    }
  };

  /** Rejects when the request is given up. */
  const untilJoined = async (join: Promise<void>, signal: AbortSignal | null | undefined): Promise<void> => {
    const givenUp = Promise.withResolvers<never>();
    const giveUp = (): void => givenUp.reject(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    try {
      signal?.throwIfAborted();
      await Promise.race([join, givenUp.promise]);
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  };

  return {
    enter: (room, { joinsLater } = { joinsLater: false }) => {
      const join = joinsLater ? Promise.withResolvers<void>() : undefined;
      // Between the room and its own membership a ghost needs to know nothing.
      const hurriesUntilMs = joinsLater ? 0 : nowMs() + HURRIES_AT_FIRST_MS;
      const device: Device = { join, hurriesUntilMs, wake: new AbortController() };
      const devices = rooms.get(room) ?? new Set();
      rooms.set(room, devices.add(device));
      return {
        pace: (fetchFn) => async (input, init) => {
          const { pathname } = new URL(input instanceof Request ? input.url : input);
          if (!pathname.endsWith("/sync")) return fetchFn(input, init);
          if (device.join === undefined) await pause(device, pauseOf(room, device), init?.signal);
          else await untilJoined(device.join.promise, init?.signal);
          device.join = undefined;
          return fetchFn(input, init);
        },
        joined: () => device.join?.resolve(),
        published: () => hurryFor(device, HURRIES_AGAIN_MS),
        settled: () => {
          device.hurriesUntilMs = 0;
        },
        leave: () => {
          devices.delete(device);
          if (devices.size === 0 && rooms.get(room) === devices) rooms.delete(room);
        },
      };
    },
    hurry: (room) => rooms.get(room)?.forEach((device) => hurryFor(device, HURRIES_AGAIN_MS)),
  };
};
