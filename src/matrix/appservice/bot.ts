import {
  ClientEvent,
  EventStatus,
  Filter,
  PendingEventOrdering,
  SyncState,
  type MatrixClient,
  type MatrixEvent,
  type Room,
} from "matrix-js-sdk";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { createMasqueradingClient } from "../client.ts";
import type { CrossSigning } from "../crypto/cross-signing.ts";
import { createSigningFetch } from "../crypto/signing-fetch.ts";
import { deleteDevice, ensureDevice, listDevices, newDeviceId } from "../devices.ts";
import type { Homeserver } from "../homeserver.ts";
import { maskGhosts } from "../mask.ts";
import { MEMBER_STATE_EVENT, MEMBER_STICKY_EVENT } from "../rtc/member-events.ts";
import { followDevicesOf, repairEncryptedStickyEvents } from "../rtc/sdk-workarounds.ts";
import { SLOT_EVENT } from "../room/call-members.ts";
import { createBotEvents, type BotListeners } from "./bot-events.ts";
import { createDirectRooms } from "./direct-rooms.ts";
import type { Users } from "./users.ts";

export interface BotDeps {
  readonly homeserver: Homeserver;
  readonly userId: UserId;
  readonly displayName: string;
  readonly users: Users;
  /** Our bot and ghosts: never listened to. */
  readonly isOurs: (user: string) => boolean;
  /** Without it clients would warn about each encrypted notice: "encrypted by a device not verified by its owner". */
  readonly crossSigning: CrossSigning;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface Bot {
  /** For the room views and for sticky memberships of encrypted rooms. In no room before `start`. */
  readonly client: MatrixClient;
  /** Resolves when the rooms are known. Rejects with HOMESERVER_* or ENCRYPTION_FAILED. Once only. */
  start(listeners: BotListeners): Promise<void>;
  /** Deletes the device. */
  stop(): Promise<void>;
  /** False before the first sync and while the homeserver cannot be reached: views may be old. */
  isSyncing(): boolean;
  /** The synced room; undefined when the bot is not joined. */
  room(id: RoomId): Room | undefined;
  /** Resolves when it has synced that it is in the room. Rejects with HOMESERVER_UNAVAILABLE. */
  untilIn(room: RoomId, timeoutMs: number): Promise<void>;
  /** Sends a notice, encrypted where the room is; resolves with its id, or undefined when the bot is not in the room. Rejects with HOMESERVER_*. */
  say(room: RoomId, text: string): Promise<string | undefined>;
  /** Sends a notice to one person, encrypted, in a room of their own. Rejects with HOMESERVER_*. */
  sayPrivately(user: UserId, text: string): Promise<void>;
}

const DEVICE_NAME = "SIP gateway";
const FIRST_SYNC_TIMEOUT_MS = 60_000;
/** js-sdk keeps every event it has seen; the bot needs none, so its timelines are emptied when they reach this length. */
const MAX_TIMELINE_EVENTS = 50;

/** One /sync that failed (`Reconnecting`) makes nothing old. */
const SYNCING_STATES: ReadonlySet<SyncState | null> = new Set([
  SyncState.Prepared,
  SyncState.Syncing,
  SyncState.Catchup,
  SyncState.Reconnecting,
]);

const STATE_TYPES = [
  "m.room.create",
  "m.room.member",
  "m.room.power_levels",
  "m.room.join_rules",
  "m.room.encryption",
  "m.room.history_visibility",
  "m.room.name",
  "m.room.tombstone",
  SLOT_EVENT,
  MEMBER_STATE_EVENT,
];

/** Members are not lazy-loaded: js-sdk ignores call members it does not know to be joined (stack.md, traps). */
const syncFilter = (user: UserId): Filter => {
  const nothing = { not_types: ["*"] };
  const filter = new Filter(user);
  filter.setDefinition({
    room: {
      timeline: {
        limit: 20,
        types: [
          ...STATE_TYPES,
          "m.room.message",
          "m.room.encrypted",
          "m.room.redaction",
          "m.reaction",
          MEMBER_STICKY_EVENT,
        ],
      },
      state: { types: STATE_TYPES },
      ephemeral: nothing,
      account_data: nothing,
    },
    presence: nothing,
    account_data: nothing,
  });
  return filter;
};

const firstSync = (client: MatrixClient): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      client.off(ClientEvent.Sync, onSync);
      act();
    };
    const onSync = (state: SyncState): void => {
      if (state === SyncState.Prepared) settle(resolve);
    };
    const timer = setTimeout(() => {
      const error = new GatewayError("HOMESERVER_UNAVAILABLE", "The homeserver does not let the bot sync", {
        retryable: true,
      });
      settle(() => reject(error));
    }, FIRST_SYNC_TIMEOUT_MS);
    client.on(ClientEvent.Sync, onSync);
  });

/** The SDK keeps a message that could not be sent, and then sends no other one into the room. */
const forgetUnsent = (client: MatrixClient, room: Room): void => {
  for (const event of room.getPendingEvents()) {
    if (event.status === EventStatus.NOT_SENT) client.cancelPendingEvent(event);
  }
};

/**
 * The user that takes commands, invites ghosts and sees rooms. Its device lives as long as the process: keys are in memory only, so every
 * start is a new device and the old ones are deleted.
 */
export const createBot = (deps: BotDeps): Bot => {
  const { homeserver, userId: user, log, nowMs } = deps;
  const device = newDeviceId();
  repairEncryptedStickyEvents();
  // Asked for when the device's keys go out: the user has to exist before it can have an identity.
  const fetchFn = createSigningFetch(() => deps.crossSigning.identityOf(user));
  const client = createMasqueradingClient(homeserver, { userId: user, deviceId: device, log, fetchFn });

  const directRoomWith = createDirectRooms({ client, homeserver, botUserId: user });

  const roomOf = (id: RoomId): Room | undefined => {
    const room = client.getRoom(id);
    return room?.getMyMembership() === "join" ? room : undefined;
  };

  const emptyTimeline = (event: MatrixEvent): void => {
    const room = client.getRoom(event.getRoomId());
    if (room !== null && room.getLiveTimeline().getEvents().length > MAX_TIMELINE_EVENTS) room.resetLiveTimeline();
  };

  const say = async (room: RoomId, text: string): Promise<string | undefined> => {
    const synced = roomOf(room);
    if (synced === undefined) return undefined;
    try {
      return (await client.sendNotice(room, text)).event_id;
    } catch (cause) {
      forgetUnsent(client, synced);
      throw new GatewayError("HOMESERVER_REFUSED", "The bot could not write into the room", { cause });
    }
  };

  const untilIn = async (room: RoomId, timeoutMs: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (roomOf(room) !== undefined) resolve();
    };
    const tooLate = new GatewayError("HOMESERVER_UNAVAILABLE", "The bot does not hear of its own join");
    const timer = setTimeout(reject, timeoutMs, tooLate);
    client.on(ClientEvent.Sync, look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      client.off(ClientEvent.Sync, look);
    }
  };

  const deleteOldDevices = async (): Promise<void> => {
    try {
      for (const old of await listDevices(homeserver, user))
        if (old !== device) await deleteDevice(homeserver, user, old);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code }, `old devices of the bot could not be deleted: ${maskGhosts(message)}`);
    }
  };

  return {
    client,
    isSyncing: () => SYNCING_STATES.has(client.getSyncState()),
    room: roomOf,
    start: async (listeners) => {
      await deps.users.ensure(user, deps.displayName);
      // Here, because the SDK only logs it when an upload fails.
      await deps.crossSigning.identityOf(user);
      await ensureDevice(homeserver, user, device, DEVICE_NAME);
      await client.initRustCrypto({ useIndexedDB: false });
      // Ghosts read nothing of what the bot writes: their devices, a new one per call, need not be asked for.
      followDevicesOf(client, (other) => other === user || !deps.isOurs(other));
      const onEvent = createBotEvents({ client, startedAtMs: nowMs(), nowMs, isOurs: deps.isOurs, ...listeners });
      client.on(ClientEvent.Event, (event) => {
        onEvent(event);
        emptyTimeline(event);
      });
      const synced = firstSync(client);
      await client.startClient({
        filter: syncFilter(user),
        disablePresence: true,
        // Else messages on their way out sit in the timeline, which is emptied under them.
        pendingEventOrdering: PendingEventOrdering.Detached,
      });
      await synced;
      await deleteOldDevices();
    },
    stop: async () => {
      client.stopClient();
      client.removeAllListeners();
      await deleteDevice(homeserver, user, device);
    },
    untilIn,
    say,
    sayPrivately: async (person, text) => {
      const room = await directRoomWith(person);
      if ((await say(room, text)) === undefined)
        throw new GatewayError("HOMESERVER_REFUSED", "The bot is not in its own room");
    },
  };
};
