/**
 * The life of a call as data. An outbound call is in `alerting` while the phone rings, an inbound one while the phone hears us ring.
 *
 *   routing ──► alerting ──► connecting ──► active ──► ending ──► ended
 *      └───────────┴─────────────┴──────────────────────┘  failure, hang-up, shutdown
 *
 * A cell that is not in the table is a fact that does not matter in that state: late, repeated, or overtaken. It is ignored.
 */
import type { ErrorCode } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { DialTarget, Release } from "./call.ts";
import type { KeypadCommand } from "./keypad.ts";
import type { Outcome } from "./outcome.ts";
import type { CallStateName, LegFact, MediaFact, RtcFact } from "./ports.ts";
import type { PromptName } from "./voice.ts";

/** Steps that take time and can fail. */
export type Operation =
  | "prepare"
  | "publish"
  | "exchangeKeys"
  | "answer"
  | "ring"
  | "renewAccess"
  | "renewMedia"
  | "join"
  | "attach"
  | "bridge";

/** Each timer belongs to one state and is cancelled when that state is left. */
export const TIMERS = {
  ring: "alerting",
  connect: "connecting",
  /** Between a question and the next. */
  confirm: "connecting",
  maxDuration: "active",
  alone: "active",
  waiting: "active",
  /** While the phone is told that the call has ended. */
  farewell: "active",
  /** Between a lost leg connection and the recovery: at a normal hang-up the connection breaks just before `leg.ended` arrives. */
  legGrace: "active",
  recovery: "active",
  recoveryRetry: "active",
  release: "ending",
} as const satisfies Readonly<Record<string, CallStateName>>;

export type TimerName = keyof typeof TIMERS;

type OfLeg<Fact> = Fact extends unknown ? Fact & { readonly legId: LegId } : never;
type OfEpoch<Fact> = Fact extends unknown ? Fact & { readonly epoch: number } : never;

/** What happened. Access to SFU and leg audio holds secrets: the effect runner keeps it, events only say that it is there. */
export type CallEvent =
  | { readonly type: "call.start" }
  | OfLeg<Exclude<LegFact, { type: "leg.mediaReady" | "leg.dtmf" }>>
  | { readonly type: "leg.mediaReady"; readonly legId: LegId; readonly attachingAnswers?: boolean }
  | { readonly type: "leg.mediaRenewed"; readonly legId: LegId; readonly epoch: number }
  | RtcFact
  | { readonly type: "rtc.prepared"; readonly encrypted: boolean }
  | { readonly type: "rtc.published" }
  | { readonly type: "rtc.keysExchanged" }
  | { readonly type: "rtc.rung" }
  /** The room of an inbound call lets it in. `isLive`: a member that is not a phone is in the call; `isEmpty`: nobody at all. */
  | { readonly type: "room.entered"; readonly isLive: boolean; readonly isEmpty: boolean }
  /** What a moderator asks of the phone. */
  | { readonly type: "moderation"; readonly action: "mute" | "unmute" }
  /** What was pressed as a whole; single keys never become events. */
  | { readonly type: "keypad"; readonly command: KeypadCommand }
  | { readonly type: "rtc.renewed"; readonly epoch: number }
  | { readonly type: "media.joined"; readonly epoch: number }
  | { readonly type: "media.attached"; readonly epoch: number; readonly legId: LegId }
  | { readonly type: "media.bridged"; readonly epoch: number }
  | OfEpoch<MediaFact>
  | {
      readonly type: "operation.failed";
      readonly operation: Operation;
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
      readonly epoch?: number;
      readonly legId?: LegId;
    }
  | { readonly type: "hangup.byAdder" }
  | { readonly type: "hangup.byModerator" }
  /** The PBX was asked to connect the phone with somebody else: when it then hangs up, it has. */
  | { readonly type: "transfer.asked" }
  | { readonly type: "transfer.failed" }
  | { readonly type: "gateway.shutdown" }
  | { readonly type: `timer.${TimerName}` }
  | { readonly type: "release.done"; readonly what: Release };

/**
 * Rows of the table: events by their type, except where one type means different things. `leg.unreached`: the leg ended before any 18x
 * and there is another trunk. `confirm.missing`: asked often enough, nobody has pressed 1. `media.lost`: audio broke and may be brought back. `media.lostForGood`: it was tried often enough.
 * `media.retryLater`: an attempt to bring it back failed. `person.came`, `person.left`: the only other member of a one-to-one call.
 */
export type Trigger =
  | CallEvent["type"]
  | "leg.unreached"
  | "confirm.missing"
  | "media.lost"
  | "media.lostForGood"
  | "media.retryLater"
  | "person.came"
  | "person.left";

export type Effect =
  | { readonly type: "sip.dial"; readonly target: DialTarget }
  | { readonly type: "sip.accept"; readonly legId: LegId }
  | { readonly type: "sip.answer"; readonly legId: LegId }
  | { readonly type: "sip.renewMedia"; readonly legId: LegId; readonly epoch: number }
  | { readonly type: "sip.hangup"; readonly legId: LegId; readonly outcome: Outcome }
  | { readonly type: "sip.forward" }
  | { readonly type: "rtc.prepare" }
  | { readonly type: "rtc.publish"; readonly notifyRoom: boolean }
  | { readonly type: "rtc.exchangeKeys" }
  | { readonly type: "rtc.ring" }
  | { readonly type: "rtc.raiseHand"; readonly isRaised: boolean }
  | { readonly type: "rtc.showHold"; readonly isHeld: boolean }
  | { readonly type: "rtc.renewAccess"; readonly epoch: number }
  | { readonly type: "rtc.leave" }
  | { readonly type: "media.join"; readonly epoch: number }
  | { readonly type: "media.attach"; readonly epoch: number; readonly legId: LegId }
  | { readonly type: "media.bridge"; readonly epoch: number }
  | { readonly type: "media.setHeld"; readonly held: boolean }
  | { readonly type: "media.setMuted"; readonly muted: boolean }
  | { readonly type: "media.setVolume"; readonly gainDb: number }
  | { readonly type: "media.prompt"; readonly name: PromptName }
  | { readonly type: "media.promptCount" }
  | { readonly type: "media.stopMusic" }
  | { readonly type: "media.leave" }
  | { readonly type: "notice.encryption" }
  | { readonly type: "notice.alone" }
  | { readonly type: "notice.waiting" }
  | { readonly type: "notice.failed"; readonly outcome: Outcome; readonly detail?: string }
  | { readonly type: "timer.arm"; readonly timer: TimerName }
  | { readonly type: "timers.cancel"; readonly timers: readonly TimerName[] }
  | { readonly type: "audio.observe"; readonly fact: Extract<MediaFact, { type: "media.flowing" | "media.silent" }> }
  | { readonly type: "store.save" };

/** Effects by name; `step.ts` makes them from the call. Those that only follow from readiness (attach, bridge) are not in the table. */
export type Action =
  | "dial"
  | "dialNext"
  | "prepare"
  | "publish"
  | "publishWhenHeard"
  | "ring"
  | "exchangeKeys"
  | "join"
  | "recover"
  | "dropSession"
  | "undoFailed"
  | "leaveRtc"
  | "leaveMedia"
  | "hangup"
  | "endLeg"
  | "tellFailure"
  | "tellEncryption"
  | "tellAlone"
  | "bidFarewell"
  | "applyHold"
  | "applyMute"
  | "applyVolume"
  | "obeyKeys"
  | "obeyModerator"
  | "confirm"
  | "askToConfirm"
  | "resumeMusic"
  | "stopMusic"
  | "observeAudio"
  | "save"
  | `arm:${TimerName}`
  | `cancel:${TimerName}`;

export interface Rule {
  /** Next state; absent: the state stays. */
  readonly to?: CallStateName;
  /** Why the call ends; `of-event`: the event says it. */
  readonly outcome?: Outcome | "of-event";
  readonly actions?: readonly Action[];
}

const NOTED: Rule = {};
const end = (outcome: Outcome | "of-event"): Rule => ({ to: "ending", outcome });

/** Whatever the state, these end a call that has not ended. */
const ENDS_ANY_TIME = {
  "leg.ended": end("of-event"),
  "rtc.removed": end("removed"),
  "rtc.lost": end("room-unavailable"),
  "gateway.shutdown": end("shutdown"),
} as const satisfies Partial<Record<Trigger, Rule>>;

const CONFERENCE_COMES_AND_GOES = { "rtc.alone": NOTED, "rtc.accompanied": NOTED } as const;

/**
 * What finishes after the call was given up is undone: a prepared ghost leaves, a joined SFU connection closes, an answered leg is hung up.
 * So is a leg that audio was attached to: with livekit-sip joining its room has made the room again.
 */
const UNDONE_WHEN_LATE = {
  "leg.answered": { actions: ["hangup"] },
  "leg.mediaReady": { actions: ["hangup"] },
  "leg.mediaRenewed": { actions: ["hangup"] },
  "rtc.prepared": { actions: ["leaveRtc"] },
  "rtc.published": { actions: ["leaveRtc"] },
  "media.joined": { actions: ["leaveMedia"] },
  "media.attached": { actions: ["leaveMedia", "hangup"] },
} as const satisfies Partial<Record<Trigger, Rule>>;

export const TRANSITIONS: Readonly<Record<CallStateName, Readonly<Partial<Record<Trigger, Rule>>>>> = {
  routing: {
    "call.start": { to: "alerting" },
    "hangup.byAdder": end("cancelled"),
    "hangup.byModerator": end("cancelled"),
    "gateway.shutdown": end("shutdown"),
  },
  alerting: {
    ...ENDS_ANY_TIME,
    ...CONFERENCE_COMES_AND_GOES,
    "leg.mediaReady": NOTED,
    "leg.mediaRenewed": NOTED,
    "leg.ringing": NOTED,
    "leg.progress": { actions: ["publishWhenHeard"] },
    "leg.held": NOTED,
    "leg.resumed": NOTED,
    "leg.answered": { to: "connecting", actions: ["publishWhenHeard"] },
    "leg.unreached": { actions: ["dialNext", "arm:ring", "save"] },
    "rtc.prepared": { actions: ["publish", "join"] },
    "rtc.published": { actions: ["tellEncryption", "ring", "exchangeKeys"] },
    "rtc.keysExchanged": NOTED,
    "rtc.rung": NOTED,
    "rtc.declined": end("declined"),
    "person.came": { actions: ["exchangeKeys"] },
    "person.left": end("of-event"),
    "rtc.renewed": { actions: ["join"] },
    "room.entered": NOTED,
    moderation: NOTED,
    "media.joined": NOTED,
    "media.attached": NOTED,
    // For announcements before the answer.
    "media.bridged": NOTED,
    // Nobody listens yet: it is brought back when the phone is answered, if the leg still lives then.
    "media.legLost": NOTED,
    "media.lost": { actions: ["recover"] },
    "media.lostForGood": end("media-failed"),
    "operation.failed": end("of-event"),
    "hangup.byAdder": end("cancelled"),
    "hangup.byModerator": end("cancelled"),
    "timer.ring": end("of-event"),
  },
  connecting: {
    ...ENDS_ANY_TIME,
    ...CONFERENCE_COMES_AND_GOES,
    "leg.mediaReady": NOTED,
    "leg.mediaRenewed": NOTED,
    "leg.held": NOTED,
    "leg.resumed": NOTED,
    "rtc.prepared": { actions: ["publish", "join"] },
    "rtc.published": { actions: ["tellEncryption"] },
    "person.left": end("completed"),
    "rtc.renewed": { actions: ["join"] },
    moderation: NOTED,
    "media.joined": NOTED,
    "media.attached": NOTED,
    "media.bridged": { to: "active" },
    "media.legLost": NOTED,
    "media.lost": { actions: ["recover"] },
    "media.lostForGood": end("media-failed"),
    "operation.failed": end("of-event"),
    "hangup.byAdder": end("completed"),
    "hangup.byModerator": end("removed"),
    "timer.connect": end("media-failed"),
    keypad: { actions: ["confirm"] },
    "timer.confirm": { actions: ["askToConfirm"] },
    "confirm.missing": end("no-answer"),
  },
  active: {
    ...ENDS_ANY_TIME,
    "rtc.alone": { actions: ["tellAlone"] },
    "person.left": end("completed"),
    "rtc.accompanied": { actions: ["cancel:alone", "cancel:waiting", "cancel:farewell", "stopMusic"] },
    "leg.mediaRenewed": NOTED,
    "leg.held": { actions: ["applyHold"] },
    "leg.resumed": { actions: ["applyHold"] },
    "rtc.renewed": { actions: ["join"] },
    "media.joined": NOTED,
    "media.attached": NOTED,
    "media.bridged": { actions: ["cancel:recovery", "applyHold", "applyMute", "applyVolume", "resumeMusic"] },
    "media.flowing": { actions: ["observeAudio"] },
    "media.silent": { actions: ["observeAudio"] },
    "media.legLost": { actions: ["arm:legGrace"] },
    "media.lost": { actions: ["recover"] },
    "media.retryLater": { actions: ["dropSession", "arm:recoveryRetry"] },
    "media.lostForGood": end("media-failed"),
    "timer.recovery": end("media-failed"),
    keypad: { actions: ["obeyKeys"] },
    moderation: { actions: ["obeyModerator"] },
    "timer.alone": { actions: ["bidFarewell"] },
    "timer.waiting": { actions: ["bidFarewell"] },
    "timer.farewell": end("completed"),
    "timer.maxDuration": end("completed"),
    "hangup.byAdder": end("completed"),
    "hangup.byModerator": end("removed"),
    "transfer.asked": NOTED,
    "transfer.failed": NOTED,
  },
  ending: {
    ...UNDONE_WHEN_LATE,
    "leg.ended": NOTED,
    "operation.failed": { actions: ["undoFailed"] },
    "release.done": NOTED,
    "timer.release": { to: "ended" },
  },
  ended: { ...UNDONE_WHEN_LATE, "operation.failed": { actions: ["undoFailed"] } },
};

/** What entering a state does, whatever led there. */
export const ON_ENTRY: Readonly<Record<CallStateName, readonly Action[]>> = {
  routing: [],
  // The INVITE goes out and the ghost gets ready at the same moment; the store comes after both.
  alerting: ["dial", "prepare", "arm:ring", "save"],
  connecting: ["arm:connect", "save"],
  active: ["arm:maxDuration", "applyHold", "applyMute", "applyVolume", "tellAlone", "save"],
  // The notice before leaving the room: where the bot is not in it, the ghost writes it.
  ending: ["endLeg", "tellFailure", "leaveMedia", "leaveRtc", "arm:release", "save"],
  ended: ["save"],
};
