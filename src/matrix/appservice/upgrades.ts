import { z } from "zod";
import type { Conferences } from "../../dialin/conferences.ts";
import { toGatewayError } from "../../errors.ts";
import { type ConferenceId, roomId as toRoomId, type RoomId, type UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { type Homeserver, MatrixError, matrixPath } from "../homeserver.ts";
import type { AppserviceEvent } from "./events.ts";
import type { Membership } from "./membership.ts";

export interface UpgradesDeps {
  readonly homeserver: Homeserver;
  readonly botUserId: UserId;
  readonly membership: Pick<Membership, "join">;
  /** Absent: no room can be dialled by number and PIN. */
  readonly conferences: Pick<Conferences, "of" | "follow"> | undefined;
  /** A room can be dialled by the number of the one that it replaced. */
  readonly onFollowed: (room: RoomId, conference: ConferenceId) => Promise<void>;
  readonly log: Log;
}

const tombstoneSchema = z.object({ replacement_room: z.string().startsWith("!") });
const createSchema = z.object({ predecessor: z.object({ room_id: z.string().startsWith("!") }) });

/**
 * Follows rooms that are upgraded: the bot goes to the new one, or comes there by an invite, and takes the room's number and PIN along. Only
 * where old and new room name each other: who may end a room must not get hold of another one's callers, nor the other way round.
 */
export const createUpgrades = (deps: UpgradesDeps): ((event: AppserviceEvent) => Promise<void>) => {
  const { homeserver, botUserId, membership, conferences, log } = deps;

  /** Undefined when the room has none, or the bot is not in it. */
  const stateOf = async (room: RoomId, type: string): Promise<unknown> => {
    const path = `${matrixPath("client/v3", "rooms", room, "state", type)}/`;
    try {
      return await homeserver.request({ method: "GET", path, as: { userId: botUserId } });
    } catch (error) {
      if (error instanceof MatrixError && (error.status === 404 || error.status === 403)) return undefined;
      throw error;
    }
  };

  const follow = async (room: RoomId): Promise<void> => {
    if (conferences === undefined) return;
    const old = createSchema.safeParse(await stateOf(room, "m.room.create")).data?.predecessor.room_id;
    const conference = old === undefined ? undefined : conferences.of(toRoomId(old));
    if (old === undefined || conference === undefined) return;
    const tombstone = tombstoneSchema.safeParse(await stateOf(toRoomId(old), "m.room.tombstone")).data;
    if (tombstone?.replacement_room !== room) return;
    conferences.follow(toRoomId(old), room);
    log.info({ roomId: room, replaces: old }, "a room's dial-in has followed its upgrade");
    await deps.onFollowed(room, conference.conferenceId);
  };

  const followTombstone = async (event: AppserviceEvent): Promise<void> => {
    const tombstone = tombstoneSchema.safeParse(event.content).data;
    if (tombstone === undefined) return;
    const room = toRoomId(tombstone.replacement_room);
    await membership.join(botUserId, room);
    await follow(room);
  };

  return async (event) => {
    const { type, stateKey, content } = event;
    try {
      if (type === "m.room.tombstone" && stateKey === "") await followTombstone(event);
      else if (type === "m.room.member" && stateKey === botUserId && content["membership"] === "join") {
        await follow(toRoomId(event.roomId));
      }
    } catch (thrown) {
      // Mostly the new room lets nobody in without an invite, which comes later or not at all.
      log.info({ roomId: event.roomId, code: toGatewayError(thrown).code }, "a room's upgrade was not followed (yet)");
    }
  };
};
