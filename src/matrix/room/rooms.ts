import type { Room } from "matrix-js-sdk";
import { z } from "zod";
import type { RoomPort, RoomView } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import { roomId as toRoomId, userId, type GhostUserId, type RoomId, type UserId } from "../../ids.ts";
import { matrixPath, type Homeserver } from "../homeserver.ts";
import { parseRawEvents, roomStateFrom, roomStateOf, type RawEvent, type RoomState } from "./room-state.ts";
import type { UnreadableMembers } from "./unreadable-members.ts";
import { viewOf, type ViewContext } from "./view.ts";

export interface RoomsDeps {
  readonly homeserver: Homeserver;
  readonly botUserId: UserId;
  readonly isGhost: (user: string) => boolean;
  readonly bot: {
    /** False while the homeserver cannot be reached: what the bot knows may be old. */
    isSyncing(): boolean;
    /** The room as the bot has synced it; undefined when it is not joined. */
    room(id: RoomId): Room | undefined;
  };
  readonly unreadable: UnreadableMembers;
  /** Makes the ghost's user where it does not exist yet, and joins the room. Rejects with HOMESERVER_*. */
  readonly joinAsGhost: (ghost: GhostUserId, room: RoomId) => Promise<void>;
  /** Called at every view that lacks members because their memberships cannot be decrypted. */
  readonly onUnreadable: (room: RoomId, users: readonly UserId[]) => void;
  readonly nowMs: () => number;
}

const predecessorSchema = z.object({ room_id: z.string() });

const syncSchema = z.object({
  rooms: z.object({
    join: z.record(
      z.string(),
      z.object({
        timeline: z.object({ events: z.unknown() }).optional(),
        msc4354_sticky: z.object({ events: z.unknown() }).optional(),
      }),
    ),
  }),
});

/** A chain of upgrades is short; rooms that replace each other in a circle must not hang us. */
const MAX_UPGRADES = 20;

const isLive = (view: RoomView): boolean => view.conference.some((member) => !member.isPhone);

export const createRooms = (deps: RoomsDeps): RoomPort => {
  const { homeserver, bot, botUserId, isGhost, unreadable } = deps;

  const contextOf = (room: RoomId, ghost: string): ViewContext => ({
    roomId: room,
    botUserId,
    ghost,
    isGhost,
    nowMs: deps.nowMs(),
  });

  /** Says who is missing, and in an otherwise empty call why it looks empty. */
  const checkReadable = (view: RoomView, senders: readonly UserId[]): RoomView => {
    const missing = senders.filter((user) => !isGhost(user));
    if (!view.encrypted || missing.length === 0) return view;
    deps.onUnreadable(view.roomId, missing);
    if (isLive(view)) return view;
    throw new GatewayError(
      "NO_LIVE_CALL",
      `Somebody may be in a call here whose membership cannot be decrypted, because it was sent before ${botUserId} was in the room. Invite it, leave the call and join again.`,
    );
  };

  const viewFromBot = (room: RoomId, ghost: string): RoomView | undefined => {
    const synced = bot.isSyncing() ? bot.room(room) : undefined;
    return synced === undefined ? undefined : viewOf(roomStateOf(synced), contextOf(room, ghost));
  };

  const stateAs = async (user: UserId, room: RoomId): Promise<readonly RawEvent[]> => {
    const path = matrixPath("client/v3", "rooms", room, "state");
    return parseRawEvents(await homeserver.request({ method: "GET", path, as: { userId: user } }));
  };

  /** Sticky events are no state: only /sync has them, in the timeline and beside it (MSC4354). */
  const stickyAs = async (ghost: GhostUserId, room: RoomId): Promise<readonly RawEvent[]> => {
    const nothing = { not_types: ["*"] };
    const filter = JSON.stringify({
      room: { rooms: [room], state: nothing, ephemeral: nothing, account_data: nothing, timeline: { limit: 1 } },
      presence: nothing,
      account_data: nothing,
    });
    const query = new URLSearchParams({ filter, timeout: "0", set_presence: "offline" });
    const path = `${matrixPath("client/v3", "sync")}?${query.toString()}`;
    const answer = syncSchema.safeParse(await homeserver.request({ method: "GET", path, as: { userId: ghost } }));
    const joined = answer.data?.rooms.join[room];
    return [joined?.timeline, joined?.msc4354_sticky].flatMap((part) => parseRawEvents(part?.events));
  };

  const viewFromHomeserver = async (room: RoomId, ghost: GhostUserId): Promise<RoomView> => {
    await deps.joinAsGhost(ghost, room);
    const state = await stateAs(ghost, room);
    const view = viewOf(roomStateFrom(state, [], deps.nowMs()), contextOf(room, ghost));
    if (isLive(view)) return view;
    const sticky = await stickyAs(ghost, room);
    // The bot can decrypt what a ghost that has just come cannot.
    const unread =
      bot.room(room) === undefined
        ? sticky.filter((event) => event.type === "m.room.encrypted" && event.msc4354_sticky !== undefined)
        : [];
    const senders = [...unreadable.in(room), ...unread.map((event) => userId(event.sender))];
    return checkReadable(viewOf(roomStateFrom(state, sticky, deps.nowMs()), contextOf(room, ghost)), senders);
  };

  /** The room that replaces this one, if both of them say so: anybody who may write a tombstone could name a foreign room. */
  const successorOf = (room: RoomId): RoomId | undefined => {
    const stateOf = (id: RoomId): RoomState | undefined => {
      const synced = bot.room(id);
      return synced === undefined ? undefined : roomStateOf(synced);
    };
    const next = stateOf(room)?.event("m.room.tombstone", "")?.content["replacement_room"];
    if (typeof next !== "string") return undefined;
    const predecessor = stateOf(toRoomId(next))?.event("m.room.create", "")?.content["predecessor"];
    return predecessorSchema.safeParse(predecessor).data?.room_id === room ? toRoomId(next) : undefined;
  };

  return {
    newestOf: (room) => {
      let newest = room;
      for (let upgrades = 0; upgrades < MAX_UPGRADES; upgrades += 1) newest = successorOf(newest) ?? newest;
      return newest;
    },
    isModerator: (room, user) => {
      const synced = bot.room(room);
      return synced !== undefined && viewOf(roomStateOf(synced), contextOf(room, "")).canKick(user);
    },
    viewAsBot: async (room) => {
      if (!room.startsWith("!")) throw new GatewayError("ROOM_NOT_FOUND", `${room} is not a room id: it begins with !`);
      if (!bot.isSyncing()) {
        throw new GatewayError("HOMESERVER_UNAVAILABLE", "The homeserver does not answer the bot. Try again.", {
          retryable: true,
        });
      }
      // A ghost nobody knows: new ghosts have the default power.
      const view = viewFromBot(room, "");
      if (view === undefined) {
        throw new GatewayError("BOT_NOT_IN_ROOM", `The bot is not in this room: invite ${botUserId} first.`);
      }
      if (isLive(view)) return checkReadable(view, unreadable.in(room));
      // Somebody who has just joined the call and asks at once: the bot's /sync may be a moment behind.
      const state = roomStateFrom(await stateAs(botUserId, room), [], deps.nowMs());
      const now = viewOf(state, contextOf(room, ""));
      return checkReadable(isLive(now) ? now : view, unreadable.in(room));
    },
    viewAsGhost: async (room, ghost) => {
      // What the bot has synced costs no request; that it shows no call may only mean that its /sync is a moment behind.
      const seenByBot = viewFromBot(room, ghost);
      if (seenByBot !== undefined && isLive(seenByBot)) return checkReadable(seenByBot, unreadable.in(room));
      return viewFromHomeserver(room, ghost);
    },
  };
};
