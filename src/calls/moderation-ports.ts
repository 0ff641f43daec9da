/** Ports of the call domain (ports.ts) that are about moderators: who gets into a room's call, and who may talk there. */
import type { CallId, GhostUserId, LegId, RoomId, UserId } from "../ids.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { CallRecord, Subject } from "./ports.ts";
import type { PhoneInNotice } from "./notice-ports.ts";

/** How callers ask to be let into a room. */
export interface DoorPort {
  /**
   * `knock`: the bot may not invite this ghost, but the ghost, which is not in the room, may ask (join rule `knock`). `closed`: it is banned.
   * `open` in all other cases: the ghost can come, or its call finds out why not. From what the bot has synced.
   */
  wayInto(room: RoomId, ghost: GhostUserId): "open" | "knock" | "closed";
  /** The ghost knocks: moderators see it as a request to join, and an invite lets it in. Rejects with HOMESERVER_*. */
  knock(room: RoomId, ghost: GhostUserId, displayName: string): Promise<void>;
  /** Takes the knock back. Never rejects. */
  withdraw(room: RoomId, ghost: GhostUserId): Promise<void>;
  /** The bot invites a ghost that has knocked. Rejects with BOT_CANNOT_INVITE or HOMESERVER_*. */
  invite(room: RoomId, ghost: GhostUserId): Promise<void>;
  /** Tells the room who waits; resolves with the id of the message, so that people can answer it by a reaction. Rejects with HOMESERVER_*. */
  announce(room: RoomId, phone: PhoneInNotice): Promise<string | undefined>;
}

/** A caller who waits for a moderator. */
export interface WaitingCaller {
  /** Unique while it waits. */
  readonly legId: LegId;
  readonly roomId: RoomId;
  readonly ghost: GhostUserId;
  readonly number: PhoneNumber;
  /** As the room may see it. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The message that announced it. */
  readonly announcement?: string;
}

/** A phone that waits: for a moderator who lets it in (then its call has not begun), or in its call for somebody to join. */
export interface WaitingPhone extends Pick<WaitingCaller, "roomId" | "ghost" | "number" | "sinceMs"> {
  readonly callId?: CallId;
  readonly name?: string;
  readonly waitsFor: "moderator" | "company";
}

/** Rooms into whose calls no further phone may come. Survives a restart. */
export interface RoomLocks {
  isLocked(room: RoomId): boolean;
  set(room: RoomId, isLocked: boolean): void;
}

/** Rooms from what the bot has synced: nothing is asked of the homeserver. */
export interface SyncedRooms {
  /** The newest room that has replaced this one (`m.room.tombstone`, and the new room says so too), as far as the bot is there; else itself. */
  newestOf(room: RoomId): RoomId;
  /** Whether this user is in the room and may kick; false where the bot is not. */
  isModerator(room: RoomId, user: UserId): boolean;
}

/** What members who may kick do with phones. All that rejects does so with UNAUTHORIZED for others. */
export interface Moderation {
  /** Mutes a phone, or asks it to unmute itself: only its own key does that. */
  moderate(request: {
    readonly callId: CallId;
    readonly subject: Subject;
    readonly action: "mute" | "unmute";
  }): Promise<CallRecord>;
  /** Keeps further phones out of a room's call, or lets them in again. */
  lock(request: { readonly roomId: RoomId; readonly subject: Subject; readonly isLocked: boolean }): Promise<void>;
  /** Callers who wait to be let into this room's call, or any room's, oldest first. */
  atDoor(room?: RoomId): readonly WaitingCaller[];
  /** Lets a waiting caller in, or sends it away. Rejects also with CALL_NOT_FOUND or BOT_CANNOT_INVITE. */
  answerDoor(request: {
    readonly roomId: RoomId;
    readonly legId: LegId;
    readonly subject: Subject;
    readonly isAdmitted: boolean;
  }): Promise<void>;
  /** Somebody has invited a ghost. True when it had knocked: it comes in now, and nobody is to be called. */
  ghostInvited(room: RoomId, ghost: GhostUserId): boolean;
}
