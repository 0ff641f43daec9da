import type { MediaKey, PrepareMember, RtcFact } from "../../calls/ports.ts";
import type { BorrowedDevice, ChatDevices } from "../chats/chat-devices.ts";
import type { CallId, DeviceId, GhostUserId, RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { DroppedMediaKey } from "../crypto/media-key-gate.ts";
import type { CallSession } from "./call-session.ts";
import type { KeyExchange } from "./key-exchange.ts";
import type { GhostDevice, GhostDeviceDeps } from "./ghost-device.ts";
import type { StickyMembers } from "./sticky-members.ts";
import type { Tasks } from "./tasks.ts";
import type { Transports } from "./transports.ts";

/** What is counted of sessions (metrics). */
export type RtcCounter =
  /** A membership that somebody else wrote. */
  | "member.foreign-sender"
  | "member.broken"
  | "member.unreadable"
  | "member.other-sfu"
  | `media-key.${DroppedMediaKey}`
  | "media-key.undelivered";

/** What all sessions of the gateway share. */
export interface SharedBySessions {
  readonly transports: Transports;
  /** Devices whose memberships belong to running calls. */
  readonly callDevices: Set<DeviceId>;
  /** The device of the ghost in a chat of two. */
  readonly borrowDevice: ChatDevices["borrow"];
  /** Waits for a turn: only so many ghosts are made ready at a time. */
  readonly inTurn: <T>(task: () => Promise<T>) => Promise<T>;
  /** Another call of this ghost is in the same room (a caller who called twice), and stays there. */
  readonly hasOtherSession: (request: Pick<PrepareMember, "callId" | "roomId" | "ghost">) => boolean;
  /** Some session of the room has a media key of this member. */
  readonly isKeyHeld: (room: RoomId, identity: string) => boolean;
}

export interface GhostSessionDeps extends GhostDeviceDeps, SharedBySessions {
  /** Registers the ghost and keeps its profile. */
  readonly ensureGhost: (ghost: GhostUserId, displayName: string) => Promise<void>;
  readonly inviteAsBot: (room: RoomId, ghost: GhostUserId) => Promise<void>;
  /** Whether the homeserver has delayed events (MSC4140) and allows a delay of 18 s, as found at start. */
  readonly delayedEventsSupported: () => boolean;
  readonly stickyMembers?: StickyMembers;
  readonly onMediaKey: (call: CallId, key: MediaKey) => void;
  /** LiveKit identities of all members of the call that are not phones of this gateway, at every change. */
  readonly onMembers: (call: CallId, identities: readonly string[]) => void;
  /** A member whose membership is encrypted and cannot be read: the phone will not hear it. */
  readonly onUnreadableMember: (call: CallId, room: RoomId, user: UserId) => void;
  /** A member publishes on another SFU than ours: the phone will not hear it. Once per call and member. */
  readonly onOtherSfuMember: (call: CallId, room: RoomId, user: UserId) => void;
  readonly onCount: (counter: RtcCounter) => void;
}

export type GhostSessionRequest = PrepareMember;

/** What the parts of one ghost's session share while it lasts. */
export interface SessionContext {
  readonly deps: GhostSessionDeps;
  readonly request: GhostSessionRequest;
  readonly log: Log;
  readonly deviceId: DeviceId;
  /** Aborted when the call is left. */
  readonly ended: AbortSignal;
  /** What `prepare` started; leaving waits for it, as its effects must be taken back. */
  readonly tasks: Tasks;
  /** Run once, in any order, when the call is left. */
  readonly closers: (() => unknown)[];
  readonly onFact: (fact: RtcFact) => void;
  readonly keyExchange: KeyExchange;
  readonly onMembershipWritten: (eventId: string) => void;
  readonly onMembershipFailed: (error: unknown) => void;
  /** Given back when the call is left; absent: the device is the call's own. */
  readonly borrowed?: BorrowedDevice;
  device?: GhostDevice;
  call?: CallSession;
  joined: boolean;
  /** How far the membership got: `asked` has a delayed leave at least, `written` is on the homeserver. */
  membership: "none" | "asked" | "written";
  /** The event of the membership, once it is written. */
  membershipEventId?: string;
  /** Put out of the room: nothing can be written there any more. */
  removed: boolean;
  encrypted: boolean;
}
