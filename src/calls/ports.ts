/**
 * The ports of the call domain: what a call needs of the world (SIP, Matrix, media, store), and what the world asks of calls.
 * Adapters implement them; app.ts binds them. No SDK type appears here. More: moderation-ports.ts, notice-ports.ts.
 * Common rules. Facts may arrive late, twice, or after the call has ended: the actor ignores what does not fit its state.
 * Nothing here blocks: what takes time returns a promise or reports a fact. Every closing method is idempotent and bounded in time.
 */
import type { E164, Extension, GhostUserId, LegId, RoomId, TrunkId, UserId, CallId } from "../ids.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { CallFilter } from "./call-store.ts";
import type { Moderation, SyncedRooms, WaitingPhone } from "./moderation-ports.ts";
import type { Outcome } from "./outcome.ts";
import type { Confirm, PromptName, Voice } from "./voice.ts";

// ---------------------------------------------------------------------------------------------------------------- SIP

/** Whom the called phone sees. `anonymous` sends `Privacy: id` and no number. */
export type CallerId =
  | { readonly kind: "number"; readonly number: E164 | Extension; readonly name?: string }
  | { readonly kind: "anonymous" };

export interface DialRequest {
  readonly callId: CallId;
  readonly legId: LegId;
  readonly trunkId: TrunkId;
  /** User part of the request URI, already written the way the trunk wants it (`dial_format`). */
  readonly dialString: string;
  readonly callerId: CallerId;
  readonly ringTimeoutMs: number;
  /** Set in the engine as well, so that a dead gateway cannot leave a call billing. */
  readonly maxDurationMs: number;
  /** No `leg.mediaReady`: the leg is for `connect`. */
  readonly withoutAudio?: true;
}

export type AcceptRequest = Pick<DialRequest, "legId" | "maxDurationMs" | "withoutAudio">;

/** Where a media worker reaches the audio of a leg. Holds credentials: never log it. */
export type LegMedia =
  | {
      readonly kind: "asterisk-websocket";
      /** `ws://host:port/media/<connection id>`, used once. */
      readonly url: string;
      readonly codec: "alaw" | "ulaw" | "slin16";
    }
  | {
      readonly kind: "livekit-room";
      readonly url: string;
      readonly token: string;
      /** LiveKit identity of the phone in its leg room. */
      readonly phoneIdentity: string;
      /** Whose keys are heard in the leg room. */
      readonly legId: LegId;
    };

/** Why a leg ended, as the far end said it. */
export interface LegCause {
  /** SIP final status (RFC 3261), when one was seen. */
  readonly sipStatus?: number;
  /** Q.850 cause, when one was seen. */
  readonly q850?: number;
  /** Words for the log; holds no number. */
  readonly text?: string;
}

export type LegFact =
  /**
   * The leg's audio can be attached (before the answer, so that it costs no set-up; `attachingAnswers`: that is the answer). Again, with new access,
   * when it was not attached for long: the access before works for some seconds more.
   */
  | { readonly type: "leg.mediaReady"; readonly media: LegMedia; readonly attachingAnswers?: boolean }
  /** 180 Ringing, 183 Session Progress. Both may repeat. */
  | { readonly type: "leg.ringing" }
  | { readonly type: "leg.progress" }
  | { readonly type: "leg.answered" }
  | { readonly type: "leg.held" }
  | { readonly type: "leg.resumed" }
  | { readonly type: "leg.dtmf"; readonly digit: string }
  /** Always the last fact of a leg, and always sent, also when dialling failed at once. */
  | {
      readonly type: "leg.ended";
      readonly outcome: Outcome;
      readonly cause: LegCause;
      /** True only for a connection failure or a 503 before any 18x: the next trunk may be tried. */
      readonly tryNextTrunk: boolean;
    };

/** Who calls, as the PBX says it: not parsed yet, and only as true as the trunk is trusted. */
export interface CallerAsSaid {
  readonly number?: string;
  readonly name?: string;
  /** The caller does not want the number to be shown (`Privacy: id`, anonymous). */
  readonly isHidden: boolean;
}

/**
 * A call that a PBX sends us, answered with 100 only. `called`: user part of the request URI. `admittedTo`: room whose PIN it told the menu, in
 * `language`; or that let it in, where `isInvited`: by an invite of its ghost.
 */
export interface IncomingCall {
  readonly legId: LegId;
  readonly trunkId: TrunkId;
  readonly called: string;
  readonly caller: CallerAsSaid;
  readonly admittedTo?: RoomId;
  readonly language?: Voice["language"];
  readonly isInvited?: boolean;
}

export interface SipPort {
  /** Whom to tell of calls that PBXs send us; once, before any comes. Each has to be accepted, or refused by `hangup`. */
  onIncoming(listener: (call: IncomingCall) => void): void;
  /**
   * 180 now, and the leg's audio is made ready (`leg.mediaReady`). Facts from now on; one that has hung up meanwhile gets its `leg.ended`.
   * Once more for a call that is forwarded: the facts go to the new listener.
   */
  accept(request: AcceptRequest, onFact: (fact: LegFact) => void): void;
  /** 200 for an accepted call whose audio is attached; `leg.answered` follows. Rejects with MEDIA_FAILED. */
  answer(leg: LegId): Promise<void>;
  /** 200 for an accepted call, which from now on talks with an answered leg, and not with us. Rejects with MEDIA_FAILED. Absent: the engine cannot. */
  connect?(caller: LegId, called: LegId): Promise<void>;
  /** Starts the INVITE; returns at once. Everything that happens arrives as facts; it never throws. */
  dial(request: DialRequest, onFact: (fact: LegFact) => void): void;
  /**
   * Ends the leg (BYE, CANCEL while it rings, or for a call that came to us and was not answered the status of `outcome`) and frees channels, bridges and leg room. Resolves within 2 s, also for unknown legs.
   * Called for every leg at the end of its call, also after its `leg.ended`.
   */
  hangup(leg: LegId, outcome: Outcome): Promise<void>;
  /** New media access for a live leg, after its worker died. Rejects: `retryable` when it may work a moment later, else the call is over. */
  renewMedia(leg: LegId): Promise<LegMedia>;
  /** Presses keys towards the phone. Rejects with MEDIA_FAILED. */
  press(leg: LegId, keys: string): Promise<void>;
  /** Asks the PBX to connect the phone with this user part instead of us (REFER). The leg ends soon after it has; with Asterisk, whatever it answers. Rejects with TRUNK_UNAVAILABLE. */
  transfer(leg: LegId, dialString: string): Promise<void>;
  /** Legs that the engines still hold for us; used at start to find what a crash left behind. */
  listLegs(): Promise<readonly LegId[]>;
}

// ------------------------------------------------------------------------------------------------------------- Matrix

/** How a ghost gets to the SFU of the conference. Holds a token: never log it. */
export interface SfuAccess {
  /** WebSocket address of the SFU, as the token service named it. */
  readonly sfuUrl: string;
  readonly token: string;
  /** LiveKit identity of the ghost: `user:device` in compatibility mode. */
  readonly identity: string;
  /** True in a room with `m.room.encryption`: frames must be encrypted with the media keys. */
  readonly encrypted: boolean;
  /** `livekit_service_url` of the transport, byte for byte as members write it. */
  readonly transportUrl: string;
}

export interface PrepareMember {
  readonly callId: CallId;
  readonly roomId: RoomId;
  readonly ghost: GhostUserId;
  readonly displayName: string;
  /** What it is called in this room only, when that is something else: who calls. */
  readonly nameInRoom?: string;
  /** True when the bot has to invite the ghost first (command, API); false when somebody invited it already. */
  readonly inviteFirst: boolean;
  /** The one person of a one-to-one call: the room is a chat of two, and the ghost stays in it. */
  readonly person?: UserId;
}

export interface PublishMember {
  /** Tells the room's people that a call has begun (MSC4075, without ringing), when nobody else is in it. */
  readonly notifyRoom: boolean;
}

export type RtcFact =
  /** The last member that is not a phone has left the conference. */
  | { readonly type: "rtc.alone" }
  /** A member that is not a phone is there (again). */
  | { readonly type: "rtc.accompanied" }
  /** The person who was rung does not want the call (MSC4310). */
  | { readonly type: "rtc.declined" }
  /** The ghost was kicked or banned, or the room was upgraded. */
  | { readonly type: "rtc.removed"; readonly reason: "kicked" | "banned" | "upgraded" }
  /** The membership cannot be kept up (homeserver refuses it). */
  | { readonly type: "rtc.lost"; readonly message: string };

/** A phone as a MatrixRTC member. One session per call. */
export interface RtcPort {
  /**
   * Makes the ghost ready: registered, joined, device and crypto made, synced, keys of all members' devices queried, SFU token fetched.
   * Rejects with GatewayError (ROOM_*, GHOST_LACKS_POWER, HOMESERVER_*, TOKEN_SERVICE_REFUSED, ENCRYPTION_FAILED).
   * Media keys do not come this way: they go straight to the media port (app.ts), as they must never sit in an event.
   */
  prepare(request: PrepareMember, onFact: (fact: RtcFact) => void): Promise<SfuAccess>;
  /** Writes the membership: from now on Element Call shows the tile. Resolves when the homeserver has it. */
  publish(call: CallId, options?: PublishMember): Promise<void>;
  /**
   * Resolves when the ghost's media key has been sent to all members and some phone of the room has one of each of them who is not muted, or
   * after 2 s: from then on both sides can be heard. At once in a plain room.
   */
  keysExchanged(call: CallId): Promise<void>;
  /** Rings the clients of the person of a one-to-one call (MSC4075) for so long, once the membership is published. */
  ring(call: CallId, lifetimeMs: number): Promise<void>;
  /** Shows or takes back the raised hand in Element Call. */
  raiseHand(call: CallId, isRaised: boolean): Promise<void>;
  /** Says in the ghost's name in this room that the phone is on hold, or no more. Idempotent. */
  showHold(call: CallId, isHeld: boolean): Promise<void>;
  /** A new SFU token for a running session (the old worker died, or the token ran out). */
  renewAccess(call: CallId): Promise<SfuAccess>;
  /**
   * Leaves: membership, delayed leave, device, and the room if the ghost came for this call only. Resolves within 2 s where the homeserver
   * answers. Comes also while `prepare` or `publish` is still running, and once more when that has settled: it undoes what they made.
   */
  leave(call: CallId): Promise<void>;
  /** Removes what a crashed gateway left of a ghost in a room: memberships, delayed leaves, devices; and the ghost itself. */
  cleanUp(ghost: GhostUserId, room: RoomId, options: { readonly leaveRoom: boolean }): Promise<void>;
}

/** One member of a conference as the domain needs it. */
export type ConferenceMember = { readonly userId: UserId; readonly isPhone: boolean };

/** What is known of a room at one moment. */
export interface RoomView {
  readonly roomId: RoomId;
  readonly name?: string;
  readonly encrypted: boolean;
  /** Room that replaces this one (`m.room.tombstone`). */
  readonly replacedBy?: RoomId;
  /** Valid, trusted memberships of the conference `m.call#ROOM`. Empty: no live call. */
  readonly conference: readonly ConferenceMember[];
  /** Power needed to write `org.matrix.msc3401.call.member`, and what a new ghost would have. */
  readonly memberEventPower: { readonly needed: number; readonly ghost: number };
  readonly botJoined: boolean;
  readonly botCanInvite: boolean;
  /** Whether this user may kick (moderators may hang up phones of others). */
  canKick(user: UserId): boolean;
  isBanned(user: UserId): boolean;
  /** In the room, invited, or everybody may join. */
  mayJoin(user: UserId): boolean;
  /** Joined or invited. */
  people(): readonly UserId[];
}

export interface RoomPort extends SyncedRooms {
  /** Room as the bot sees it. Rejects with BOT_NOT_IN_ROOM or ROOM_NOT_FOUND. Cheap: answered from the bot's own sync. */
  viewAsBot(room: RoomId): Promise<RoomView>;
  /** Room as an invited ghost sees it; joins only when the bot cannot show a live call. Rejects with HOMESERVER_REFUSED when the invite is gone. */
  viewAsGhost(room: RoomId, ghost: GhostUserId): Promise<RoomView>;
}

// -------------------------------------------------------------------------------------------------------------- Media

/** `fromPhone`: the phone is heard in the conference; `toPhone`: the conference is heard at the phone. */
export type AudioDirection = "fromPhone" | "toPhone";

export interface MediaSession {
  readonly callId: CallId;
  /** All phones of one room share a worker and one listener. */
  readonly roomId: RoomId;
  readonly access: SfuAccess;
  readonly voice?: Voice;
}

export type MediaFact =
  /** First audible audio in this direction since the bridge. */
  | { readonly type: "media.flowing"; readonly direction: AudioDirection }
  /** Nothing at all arrived in this direction for 10 s of a bridged call. May repeat after audio came back. */
  | { readonly type: "media.silent"; readonly direction: AudioDirection }
  /** The worker died: join, attach and bridge again with renewed access. */
  | { readonly type: "media.workerLost" }
  /** The SFU connection is gone for good (kicked, room deleted, server away): join again with renewed access. */
  | { readonly type: "media.sfuLost"; readonly message: string }
  /** The leg's audio connection is gone while the leg may still live. */
  | { readonly type: "media.legLost"; readonly message: string };

/** A media key of MatrixRTC (per sender, 16 bytes, HKDF). Never logged, never stored. */
export interface MediaKey {
  /** LiveKit identity (rtcBackendIdentity) of the sender. */
  readonly identity: string;
  /** 0 to 255. */
  readonly index: number;
  readonly key: Uint8Array;
}

export interface MediaPort {
  /**
   * Joins the SFU as the ghost and publishes its track. Resolves when published. Rejects with SFU_REFUSED or MEDIA_FAILED.
   * Once more for the same call, with new access: replaces the SFU connection. The attached leg stays, unless the worker died.
   */
  join(session: MediaSession, onFact: (fact: MediaFact) => void): Promise<void>;
  /** Connects the leg's audio; nothing passes yet. Once more: replaces the leg attached before (another trunk, a lost connection). */
  attach(call: CallId, media: LegMedia): Promise<void>;
  /** Opens the path in both directions: the call was answered. Idempotent; comes again after each further `join` or `attach`. */
  bridge(call: CallId): Promise<void>;
  /** Stops and starts both directions for a phone on hold. */
  setHeld(call: CallId, held: boolean): Promise<void>;
  /** A phone that is muted hears, and sends nothing: its track shows as muted. */
  setMuted(call: CallId, muted: boolean): Promise<void>;
  /** How much louder (dB) than it is the phone hears the conference. */
  setVolume(call: CallId, gainDb: number): Promise<void>;
  /** Plays a prompt to the phone, mixed over what it hears. Resolves when it started. */
  prompt(call: CallId, name: PromptName): Promise<void>;
  /** Tells the phone how many people are in the call. */
  promptCount(call: CallId, people: number): Promise<void>;
  /** Ends the music of `waiting`. */
  stopMusic(call: CallId): Promise<void>;
  /** Key of a member (or the ghost's own) for the conference of this call. Keys that come before `join` are kept. */
  setKey(call: CallId, key: MediaKey): void;
  /**
   * LiveKit identities of the conference's members, phones of this gateway aside: whoever else is in the SFU's room is not heard. Those that
   * come before `join` are kept.
   */
  setMembers(call: CallId, identities: readonly string[]): void;
  /** Closes both ends. Resolves when the SFU connection is gone. Comes also while `join` or `attach` is running, and once more after it. */
  leave(call: CallId): Promise<void>;
}

// ------------------------------------------------------------------------------------------------------ Policy, store

/** Who asks: the inviter, the sender of the command, or the named API token. */
export type Subject =
  | { readonly kind: "user"; readonly userId: UserId }
  | { readonly kind: "token"; readonly name: string }
  /** Nobody here: the phone called us. */
  | { readonly kind: "trunk"; readonly trunkId: TrunkId };

export type CallDirection = "outbound" | "inbound";

export interface PolicyPort {
  /**
   * Throws GatewayError NUMBER_NOT_PERMITTED, EMERGENCY_NOT_PERMITTED or LIMIT_REACHED (attempts per minute). Counts one attempt.
   * Limits on calls that run are the registry's, which knows them.
   */
  authorize(subject: Subject, number: PhoneNumber): void;
  /** False where `authorize` throws for what is not permitted. Counts nothing: for calls that others cause, such as forwarded ones. */
  permits(subject: Subject, number: PhoneNumber): boolean;
  /** False: phones may not ring this user. */
  mayBeCalled(user: UserId): boolean;
}

/** What is kept of a call at every transition. */
export interface CallRecord {
  readonly callId: CallId;
  readonly legId: LegId;
  readonly direction: CallDirection;
  readonly roomId: RoomId;
  readonly ghost: GhostUserId;
  readonly number: PhoneNumber;
  /** Display name of the ghost where it is not the number: from the directory, or masked. What a room may see. */
  readonly name?: string;
  /** The Matrix user of a one-to-one call. */
  readonly person?: UserId;
  /** The person did not take it: where it went on. */
  readonly forwardedTo?: PhoneNumber;
  /** Dialled for this caller, for whom the person in `subject` was not there; the two talk outside of any room. */
  readonly forwardedFrom?: PhoneNumber;
  readonly subject: Subject;
  readonly state: CallStateName;
  readonly outcome?: Outcome;
  readonly cause?: LegCause;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number;
  readonly answeredAtMs?: number;
  readonly endedAtMs?: number;
}

export type CallStateName = "routing" | "alerting" | "connecting" | "active" | "ending" | "ended";

// ------------------------------------------------------------------------------------- What the world asks of calls

export interface AddPhone {
  readonly roomId: RoomId;
  /** As typed or as in the ghost id; parsed and normalised by us. */
  readonly number: string;
  readonly subject: Subject;
  /** `invite`: the ghost was invited and joins by itself; `chat`: it is in a chat of two with the caller; else the bot invites it. */
  readonly via: "invite" | "command" | "api" | "chat";
  /** `key`: whoever answers has to press 1 before either side hears the other, so that no voicemail does. Default: CallOptions. */
  readonly confirm?: Confirm;
}

type OfCall = { readonly callId: CallId; readonly subject: Subject };

/** The application's use cases; called by the appservice, the bot and the HTTP API. All reject with GatewayError. */
export interface CallService extends Moderation {
  /** Checks everything, starts the call and returns at once (state `routing` or `alerting`). */
  add(request: AddPhone): Promise<CallRecord>;
  /** Ends one call. For whoever added the phone, and for members with kick power; an API token may end what it added. */
  hangup(request: OfCall): Promise<CallRecord>;
  /** Presses keys (digits, `*`, `#`) towards the phone; connects it with another number and leaves. For whoever may hang it up and may dial that number. */
  press(request: OfCall & { readonly keys: string }): Promise<void>;
  transfer(request: OfCall & { readonly number: string }): Promise<void>;
  /** Calls that run in a room, oldest first. */
  inRoom(room: RoomId): readonly CallRecord[];
  get(call: CallId): CallRecord | undefined;
  list(filter: CallFilter): readonly CallRecord[];
  /** Phones that wait now, in one room or in all, those that have waited longest first. */
  waitingPhones(room?: RoomId): readonly WaitingPhone[];
  /** A ghost was kicked, banned, or its room upgraded, as seen by an appservice transaction. */
  ghostRemoved(room: RoomId, ghost: GhostUserId, reason: "kicked" | "banned" | "upgraded"): void;
  /** Refuses new calls, ends all running ones with `shutdown`, and resolves when they are gone or `graceMs` is over. */
  shutdown(graceMs: number): Promise<void>;
}
