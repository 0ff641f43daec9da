import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { matrixPath, MatrixError, type Homeserver } from "../homeserver.ts";
import { maskGhosts } from "../mask.ts";

/** Joining and leaving of our users, by masquerade. */
export interface Membership {
  /** Joins by invite or as the room allows; joining twice is harmless. Rejects with HOMESERVER_REFUSED or HOMESERVER_UNAVAILABLE. */
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

  const leaveOnce = async (user: UserId, room: RoomId, reason: string | undefined): Promise<void> => {
    try {
      await homeserver.request({
        method: "POST",
        path: matrixPath("client/v3", "rooms", room, "leave"),
        body: reason === undefined ? {} : { reason },
        as: { userId: user },
      });
    } catch (error) {
      // Not in the room (any more), which is what was wanted.
      if (error instanceof MatrixError && (error.status === 403 || error.status === 404)) return;
      throw error;
    }
  };

  return {
    join: async (user, room) => {
      try {
        await homeserver.request({
          method: "POST",
          path: matrixPath("client/v3", "join", room),
          body: {},
          as: { userId: user },
        });
      } catch (error) {
        if (!(error instanceof MatrixError) || error.retryable) throw error;
        throw new GatewayError(
          "HOMESERVER_REFUSED",
          "The room cannot be joined: the invite is gone or was taken back",
          {
            cause: error,
          },
        );
      }
    },
    leave: async (user, room, reason) => {
      for (const delayMs of [...retryDelaysMs, undefined]) {
        try {
          await leaveOnce(user, room, reason);
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
