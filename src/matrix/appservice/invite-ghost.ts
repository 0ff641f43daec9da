import { GatewayError } from "../../errors.ts";
import type { GhostUserId, RoomId, UserId } from "../../ids.ts";
import { type Homeserver, MatrixError, matrixPath } from "../homeserver.ts";

/** The bot invites a ghost. One that is invited or joined already is fine. Rejects with BOT_CANNOT_INVITE, GHOST_BANNED or HOMESERVER_*. */
export const inviteGhost = async (
  homeserver: Homeserver,
  bot: UserId,
  room: RoomId,
  ghost: GhostUserId,
): Promise<void> => {
  try {
    await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "rooms", room, "invite"),
      body: { user_id: ghost },
      as: { userId: bot },
    });
  } catch (error) {
    if (!(error instanceof MatrixError) || error.status !== 403) throw error;
    // Synapse answers 403 for a joined user as well; the join that follows tells the two apart.
    if (/already in the room/i.test(error.message)) return;
    if (/is banned/i.test(error.message)) {
      throw new GatewayError("GHOST_BANNED", `This phone is banned from ${room}`, { cause: error });
    }
    throw new GatewayError("BOT_CANNOT_INVITE", `The bot may not invite phones into ${room}`, { cause: error });
  }
};
