import { ClientEvent, type MatrixClient, type Room } from "matrix-js-sdk";
import { z } from "zod";
import { GatewayError } from "../../errors.ts";
import { roomId as toRoomId, type RoomId, type UserId } from "../../ids.ts";
import { type Homeserver, matrixPath } from "../homeserver.ts";

const SYNC_TIMEOUT_MS = 15_000;

const createdSchema = z.object({ room_id: z.string() });

/** True for an encrypted room that the bot made and in which nobody is but this user; only the bot has the power to let others in. */
const isDirect = (room: Room, bot: UserId, user: UserId): boolean => {
  const membership = room.getMember(user)?.membership;
  return (
    room.getMyMembership() === "join" &&
    room.getCreator() === bot &&
    room.hasEncryptionStateEvent() &&
    room.getInvitedAndJoinedMemberCount() === 2 &&
    (membership === "join" || membership === "invite")
  );
};

/** Finds or makes the encrypted chat of the bot with one user; resolves when the bot's client has it. Rejects with HOMESERVER_*. */
export const createDirectRooms = ({
  client,
  homeserver,
  botUserId,
}: {
  readonly client: MatrixClient;
  readonly homeserver: Homeserver;
  readonly botUserId: UserId;
}): ((user: UserId) => Promise<RoomId>) => {
  const making = new Map<UserId, Promise<RoomId>>();

  const synced = (room: string, user: UserId): Promise<RoomId> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        client.off(ClientEvent.Sync, look);
        act();
      };
      const look = (): void => {
        const found = client.getRoom(room);
        if (found !== null && isDirect(found, botUserId, user)) settle(() => resolve(toRoomId(room)));
      };
      const timer = setTimeout(() => {
        const error = new GatewayError("HOMESERVER_UNAVAILABLE", "The homeserver does not show the bot its new room", {
          retryable: true,
        });
        settle(() => reject(error));
      }, SYNC_TIMEOUT_MS);
      client.on(ClientEvent.Sync, look);
      look();
    });

  const make = async (user: UserId): Promise<RoomId> => {
    const answer = await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "createRoom"),
      body: {
        preset: "private_chat",
        is_direct: true,
        invite: [user],
        // Whoever else came in would read what is meant for one.
        power_level_content_override: { invite: 100 },
        initial_state: [
          { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } },
          // People who are invited get the keys of what was said before they join only so.
          { type: "m.room.history_visibility", state_key: "", content: { history_visibility: "invited" } },
        ],
      },
      as: { userId: botUserId },
    });
    return synced(createdSchema.parse(answer).room_id, user);
  };

  return async (user) => {
    const known = client.getRooms().find((room) => isDirect(room, botUserId, user));
    if (known !== undefined) return toRoomId(known.roomId);
    const pending = making.get(user) ?? make(user).finally(() => making.delete(user));
    making.set(user, pending);
    return pending;
  };
};
