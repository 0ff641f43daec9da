import type { GhostUserId, RoomId, UserId } from "../ids.ts";

/** A chat of two: a number and a person. */
export interface PhoneChat {
  readonly room: RoomId;
  readonly ghost: GhostUserId;
  readonly person: UserId;
}

/** Chats that exist, kept over restarts (store/). All methods are synchronous. */
export interface ChatStore {
  get(room: RoomId): PhoneChat | undefined;
  /** Newest first. */
  between(ghost: GhostUserId, person: UserId): readonly PhoneChat[];
  /** Newest first. */
  newest(limit: number): readonly PhoneChat[];
  put(chat: PhoneChat): void;
  remove(room: RoomId): void;
}
