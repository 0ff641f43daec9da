import { setTimeout as delay } from "node:timers/promises";
import type { RoomId } from "../../ids.ts";

/** A device that was just made is told everything at once: a phone is waiting for it. */
const HURRIES_AT_FIRST_MS = 10_000;
/** After its membership was written, or a member has come or left: keys are exchanged now. */
const HURRIES_AGAIN_MS = 3000;
/** Ghosts of a room that never pause: members rotate their keys 1 s after they have sent them, and the worker needs them from one ghost only. */
const WATCHERS = 4;
const PER_GHOST_MS = 250;
const LONGEST_MS = 10_000;

export interface PacedDevice {
  /** `fetchFn` with pauses before its `/sync` requests. */
  pace(fetchFn: typeof globalThis.fetch): typeof globalThis.fetch;
  /** Its membership is written: it is told everything until the keys are exchanged, and not longer. */
  published(): void;
  /** The device is gone. */
  leave(): void;
}

type Wait = (ms: number, value: undefined, options: { ref: boolean; signal: AbortSignal }) => Promise<unknown>;

export interface SyncPace {
  enter(room: RoomId): PacedDevice;
  /** Somebody who is not a phone has come, left or changed something: all ghosts of the room are to know at once. */
  hurry(room: RoomId): void;
}

/** @param ghosts devices in one room */
export const pauseMs = (ghosts: number): number => Math.min(LONGEST_MS, Math.max(0, ghosts - WATCHERS) * PER_GHOST_MS);

interface Device {
  hurriesUntilMs: number;
  wake: AbortController;
}

/**
 * Every event of a room is told to every ghost in it, one `/sync` each: with forty phones, homeserver and gateway would do little else while
 * another one comes. Ghosts need little of that, so those of a full room pause between their requests, and events come to them in bunches; the
 * first ones of a room go on watching.
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
    const isWatcher = devices.indexOf(device) < WATCHERS;
    return isWatcher || nowMs() < device.hurriesUntilMs ? 0 : pauseMs(devices.length);
  };
  /** Ends early when the device is to hurry; rejects when its request is given up. */
  const pause = async (device: Device, ms: number, signal: AbortSignal | null | undefined): Promise<void> => {
    const ends = AbortSignal.any([device.wake.signal, ...(signal ? [signal] : [])]);
    try {
      await wait(ms, undefined, { ref: false, signal: ends });
    } catch (error) {
      if (signal?.aborted === true || !ends.aborted) throw error;
    }
  };

  return {
    enter: (room) => {
      const device: Device = { hurriesUntilMs: nowMs() + HURRIES_AT_FIRST_MS, wake: new AbortController() };
      const devices = rooms.get(room) ?? new Set();
      rooms.set(room, devices.add(device));
      return {
        pace: (fetchFn) => async (input, init) => {
          const { pathname } = new URL(input instanceof Request ? input.url : input);
          const ms = pathname.endsWith("/sync") ? pauseOf(room, device) : 0;
          if (ms > 0) await pause(device, ms, init?.signal);
          return fetchFn(input, init);
        },
        published: () => hurryFor(device, HURRIES_AGAIN_MS),
        leave: () => {
          devices.delete(device);
          if (devices.size === 0 && rooms.get(room) === devices) rooms.delete(room);
        },
      };
    },
    hurry: (room) => rooms.get(room)?.forEach((device) => hurryFor(device, HURRIES_AGAIN_MS)),
  };
};
