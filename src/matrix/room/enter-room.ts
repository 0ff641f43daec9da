import { GatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import { MatrixError, matrixPath, type Homeserver } from "../homeserver.ts";

/** Joins a room the user was invited to (or has joined already). Rejects with ROOM_NOT_FOUND or HOMESERVER_*. */
export const joinRoom = async (homeserver: Homeserver, user: UserId, room: RoomId): Promise<void> => {
  try {
    await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "join", room),
      body: {},
      as: { userId: user },
    });
  } catch (error) {
    if (!(error instanceof MatrixError) || error.retryable) throw error;
    if (error.status === 404) throw new GatewayError("ROOM_NOT_FOUND", `There is no room ${room}`, { cause: error });
    throw new GatewayError("HOMESERVER_REFUSED", `The phone may not join ${room}: ${error.errcode}`, { cause: error });
  }
};

/** Leaves a room or rejects its invite; one that was left already is fine. People see the reason. */
export const leaveRoom = async (homeserver: Homeserver, user: UserId, room: RoomId, reason?: string): Promise<void> => {
  try {
    await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "rooms", room, "leave"),
      body: reason === undefined ? {} : { reason },
      as: { userId: user },
    });
  } catch (error) {
    // 403: kicked or banned meanwhile.
    if (error instanceof MatrixError && (error.status === 404 || error.status === 403)) return;
    throw error;
  }
};
