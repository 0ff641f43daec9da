import { setTimeout as sleep } from "node:timers/promises";
import { toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { Homeserver } from "../homeserver.ts";
import { maskGhosts } from "../mask.ts";
import { joinRoom, leaveRoom } from "../room/enter-room.ts";

/** Joining and leaving of our users, by masquerade. */
export interface Membership {
  /** Joins by invite or as the room allows; joining twice is harmless. Rejects with ROOM_NOT_FOUND or HOMESERVER_*. */
  join(user: UserId, room: RoomId): Promise<void>;
  /**
   * Leaves the room or rejects the invite; people see the reason. Tried again for as long as the homeserver is unavailable or too busy, a few
   * times; never rejects, as there is nothing left to do about it.
   */
  leave(user: UserId, room: RoomId, reason?: string): Promise<void>;
}

export const createMembership = (deps: {
  readonly homeserver: Homeserver;
  readonly log: Log;
  /** Waits between the attempts to leave. */
  readonly retryDelaysMs?: readonly number[];
}): Membership => {
  const { homeserver, log, retryDelaysMs = [1000, 5000, 15_000] } = deps;

  return {
    join: (user, room) => joinRoom(homeserver, user, room),
    leave: async (user, room, reason) => {
      for (const delayMs of [...retryDelaysMs, undefined]) {
        try {
          await leaveRoom(homeserver, user, room, reason);
          return;
        } catch (thrown) {
          const { code, message, retryable } = toGatewayError(thrown);
          if (delayMs === undefined || !retryable) {
            log.warn({ code, roomId: room }, `a ghost could not leave: ${maskGhosts(message)}`);
            return;
          }
          await sleep(delayMs);
        }
      }
    },
  };
};
