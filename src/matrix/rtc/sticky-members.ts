import { ClientEvent, RoomStickyEventsEvent, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";
import { MEMBER_STICKY_EVENT } from "./member-events.ts";
import { repairEncryptedStickyEvents } from "./sdk-workarounds.ts";

/**
 * Sticky memberships (MSC4143 + MSC4354) as another device can read them. In an encrypted room they are encrypted events, and a device made
 * for a call cannot read those sent before it came; the bot's device could, if the bot was in the room.
 */
export interface StickyMembers {
  /** Decrypted `org.matrix.msc4143.rtc.member` events of a room. */
  current(roomId: string): readonly MatrixEvent[];
  /** Calls back at every change in this room; returns how to stop. */
  watch(roomId: string, onChange: () => void): () => void;
}

const memberEventsOf = (room: Room): readonly MatrixEvent[] =>
  [...room._unstable_getStickyEvents()].filter((event) => event.getType() === MEMBER_STICKY_EVENT);

/** What this (long-lived) client can read: the bot's. */
export const stickyMembersOf = (client: MatrixClient): StickyMembers => {
  repairEncryptedStickyEvents();
  return {
    current: (roomId) => {
      const room = client.getRoom(roomId);
      return room === null ? [] : memberEventsOf(room);
    },
    watch: (roomId, onChange) => {
      const room = client.getRoom(roomId);
      room?.on(RoomStickyEventsEvent.Update, onChange);
      return () => room?.off(RoomStickyEventsEvent.Update, onChange);
    },
  };
};

/** Keeps the events of `source` in `room` as well; the SDK's store orders them and drops expired ones. Returns how to stop. */
export const shareStickyMembers = (source: StickyMembers, room: Room): (() => void) => {
  const share = (): void => {
    const known = new Set(memberEventsOf(room).map((event) => event.getId()));
    room._unstable_addStickyEvents(source.current(room.roomId).filter((event) => !known.has(event.getId())));
  };
  share();
  return source.watch(room.roomId, share);
};

export interface UnreadableStickyDeps {
  readonly client: MatrixClient;
  readonly roomId: string;
  /** How long a sticky event may stay encrypted before its sender counts as unreadable: keys may be under way. */
  readonly graceMs?: number;
  readonly onUnreadable: (user: string) => void;
}

const GRACE_MS = 5_000;

/**
 * Watches for sticky events that stay encrypted: their type cannot be seen, but calls are what they are used for, so a sender of whom no
 * membership can be read is likely a member that the phone will not hear. Each user is reported once. Returns how to stop.
 */
export const watchUnreadableSticky = (deps: UnreadableStickyDeps): (() => void) => {
  const { client, roomId, graceMs = GRACE_MS, onUnreadable } = deps;
  const timers = new Set<NodeJS.Timeout>();
  const reported = new Set<string>();

  const isReadable = (event: MatrixEvent, user: string): boolean => {
    if (!event.isDecryptionFailure() && !event.shouldAttemptDecryption()) return true;
    const room = client.getRoom(roomId);
    return room === null || memberEventsOf(room).some((member) => member.getSender() === user);
  };
  const onEvent = (event: MatrixEvent): void => {
    const user = event.getSender();
    if (event.getRoomId() !== roomId || event.unstableStickyExpiresAt === undefined) return;
    if (!event.isEncrypted() || user === undefined || user === client.getUserId()) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (reported.has(user) || isReadable(event, user)) return;
      reported.add(user);
      onUnreadable(user);
    }, graceMs);
    timers.add(timer);
  };
  client.on(ClientEvent.Event, onEvent);
  return () => {
    client.off(ClientEvent.Event, onEvent);
    timers.forEach(clearTimeout);
    timers.clear();
  };
};
