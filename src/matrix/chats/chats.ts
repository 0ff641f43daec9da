import { z } from "zod";
import { toGatewayError } from "../../errors.ts";
import { type GhostUserId, type RoomId, roomId as toRoomId, type UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { AppserviceEvent } from "../appservice/events.ts";
import type { Membership } from "../appservice/membership.ts";
import { type Homeserver, MatrixError, matrixPath } from "../homeserver.ts";
import { MEMBER_STATE_EVENT, MEMBER_STICKY_EVENT } from "../rtc/member-events.ts";
import type { ChatStore, PhoneChat } from "../../personal/chat.ts";
import { within } from "../rtc/within.ts";
import type { ChatDevices } from "./chat-devices.ts";

export interface ChatsDeps {
  readonly homeserver: Homeserver;
  readonly store: ChatStore;
  readonly devices: Pick<ChatDevices, "warm" | "drop">;
  readonly membership: Pick<Membership, "leave">;
  readonly ensureGhost: (ghost: GhostUserId, displayName: string) => Promise<void>;
  readonly log: Log;
}

export interface FoundChat extends PhoneChat {
  /** The person has accepted it: they see a ring there. */
  readonly isJoined: boolean;
}

export interface Chats {
  of(room: RoomId): PhoneChat | undefined;
  /** A person has invited the ghost into a chat of their own, and the ghost has joined. */
  accepted(chat: PhoneChat): void;
  /** Finds the chat, or makes it. Resolves when the person is in it, or 1.5 s after they were invited. Rejects with HOMESERVER_*. */
  between(caller: { readonly ghost: GhostUserId; readonly name: string }, person: UserId): Promise<FoundChat>;
  /** A chat of the two that the person has joined. Rejects with HOMESERVER_*. */
  joined(ghost: GhostUserId, person: UserId): Promise<PhoneChat | undefined>;
  /** False when the homeserver knows no device of this user. Rejects with HOMESERVER_*. */
  hasDevice(ghost: GhostUserId, person: UserId): Promise<boolean>;
  /** Lets the newest chats be read: what is written there now finds a device. */
  start(): void;
  /** Follows who comes and goes. */
  onEvent(event: AppserviceEvent): void;
}

/** Synapse's `auto_accept_invites` joins a user a few ms after the invite. */
const JOIN_TIMEOUT_MS = 1500;

/** About 0.1 s of CPU each. */
const WARM_AT_START = 20;

const MESSAGES: ReadonlySet<string> = new Set(["m.room.message", "m.room.encrypted"]);

const createdSchema = z.object({ room_id: z.string() });
const memberSchema = z.object({ membership: z.string() });
const keysSchema = z.object({ device_keys: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Overriding `events` replaces all of the homeserver's defaults (homeserver.md 8.2), so they are repeated. */
const EVENT_LEVELS = {
  "m.room.name": 50,
  "m.room.avatar": 50,
  "m.room.canonical_alias": 50,
  "m.room.power_levels": 100,
  "m.room.history_visibility": 100,
  "m.room.tombstone": 100,
  "m.room.server_acl": 100,
  "m.room.encryption": 100,
  [MEMBER_STATE_EVENT]: 0,
  [MEMBER_STICKY_EVENT]: 0,
};

const newChat = (person: UserId): Record<string, unknown> => ({
  preset: "private_chat",
  is_direct: true,
  invite: [person],
  // A third member would hear and see what is meant for two.
  power_level_content_override: { invite: 100, events: EVENT_LEVELS },
  initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
});

export const createChats = (deps: ChatsDeps): Chats => {
  const { homeserver, store, devices, membership, log } = deps;
  const making = new Map<string, Promise<FoundChat>>();
  const joins = new Map<RoomId, () => void>();

  const forget = (room: RoomId): void => {
    store.remove(room);
    devices.drop(room);
  };

  /** The person's membership as the ghost sees it; none where the ghost is not in the room any more. */
  const membershipOf = async ({ room, ghost, person }: PhoneChat): Promise<string> => {
    try {
      const path = matrixPath("client/v3", "rooms", room, "state", "m.room.member", person);
      const answer = await homeserver.request({ method: "GET", path, as: { userId: ghost } });
      return memberSchema.parse(answer).membership;
    } catch (error) {
      if (error instanceof MatrixError && !error.retryable) return "none";
      throw error;
    }
  };

  /** Resolves with false when the person has not joined in time. Their join may have come before the answer to the request that invited them. */
  const untilJoined = async (chat: PhoneChat): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    joins.set(chat.room, () => resolve(true));
    membershipOf(chat).then(
      (membership) => membership === "join" && resolve(true),
      () => undefined,
    );
    const isJoined = await within(promise, JOIN_TIMEOUT_MS, false);
    joins.delete(chat.room);
    return isJoined;
  };

  const make = async (ghost: GhostUserId, person: UserId): Promise<FoundChat> => {
    const path = matrixPath("client/v3", "createRoom");
    const answer = await homeserver.request({ method: "POST", path, body: newChat(person), as: { userId: ghost } });
    const room = toRoomId(createdSchema.parse(answer).room_id);
    const chat: PhoneChat = { room, ghost, person };
    store.put(chat);
    devices.warm(chat);
    const isJoined = await untilJoined(chat);
    if (!isJoined) {
      log.warn(
        { roomId: room, userId: person },
        "a person has not joined the chat made for a call: see auto_accept_invites",
      );
    }
    return { ...chat, isJoined };
  };

  const findOrMake = async (caller: { ghost: GhostUserId; name: string }, person: UserId): Promise<FoundChat> => {
    const { ghost, name } = caller;
    await deps.ensureGhost(ghost, name);
    for (const known of store.between(ghost, person)) {
      const membership = await membershipOf(known);
      if (["join", "invite"].includes(membership)) return { ...known, isJoined: membership === "join" };
      forget(known.room);
    }
    return make(ghost, person);
  };

  const joined = async (ghost: GhostUserId, person: UserId): Promise<PhoneChat | undefined> => {
    for (const known of store.between(ghost, person)) if ((await membershipOf(known)) === "join") return known;
    return undefined;
  };

  const onMember = (chat: PhoneChat, user: string, member: unknown, sender: string): void => {
    const { room, ghost, person } = chat;
    if (user === person && member === "join") joins.get(room)?.();
    const isOver = member === "leave" || member === "ban";
    if (user === person && isOver) {
      forget(room);
      void membership.leave(ghost, room);
    }
    if (user === ghost && isOver && sender !== ghost) forget(room);
  };

  return {
    of: (room) => store.get(room),
    accepted: (chat) => {
      store.put(chat);
      devices.warm(chat);
    },
    between: (caller, person) => {
      const key = `${caller.ghost} ${person}`;
      const pending = making.get(key) ?? findOrMake(caller, person).finally(() => making.delete(key));
      making.set(key, pending);
      return pending;
    },
    joined,
    hasDevice: async (ghost, person) => {
      const path = matrixPath("client/v3", "keys", "query");
      const body = { device_keys: { [person]: [] } };
      const answer = await homeserver.request({ method: "POST", path, body, as: { userId: ghost } });
      return Object.keys(keysSchema.parse(answer).device_keys[person] ?? {}).length > 0;
    },
    start: () => {
      // Oldest first, as the least recently used are closed first.
      for (const chat of store.newest(WARM_AT_START).toReversed()) devices.warm(chat);
    },
    onEvent: (event) => {
      const chat = store.get(toRoomId(event.roomId));
      if (chat === undefined) return;
      // One that is not open (a restart, many other chats) cannot read this message, but the next.
      if (event.sender === chat.person && MESSAGES.has(event.type)) devices.warm(chat);
      if (event.type === "m.room.tombstone" && event.stateKey === "") forget(chat.room);
      if (event.type === "m.room.member" && event.stateKey !== undefined) {
        try {
          onMember(chat, event.stateKey, event.content["membership"], event.sender);
        } catch (thrown) {
          log.warn({ code: toGatewayError(thrown).code, roomId: chat.room }, "a change of a chat was not followed");
        }
      }
    },
  };
};
