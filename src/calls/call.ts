import type { LegId, TrunkId } from "../ids.ts";
import { formatNumber } from "../numbering/format.ts";
import type { Forward } from "./forward.ts";
import type { CallerId, CallRecord } from "./ports.ts";
import type { Confirm, Voice } from "./voice.ts";

/** Times and limits of calls. */
export interface CallOptions {
  /** How long a phone rings before it counts as `no-answer`. */
  readonly ringTimeoutMs: number;
  /** How long a person is rung whose calls go on to somebody else. */
  readonly forwardAfterMs: number;
  /** Longest wait between the answer and audio in both directions being open. */
  readonly connectTimeoutMs: number;
  /** Longest call, counted from the moment it is connected; also set in the SIP engine. */
  readonly maxDurationMs: number;
  /** How long phones stay among themselves after the last other member has left. */
  readonly aloneHangupMs: number;
  /** How long a phone that called a room in which nobody is waits for somebody to join. */
  readonly waitingHangupMs: number;
  /** Longest time from an incoming call to its answer: what takes longer is given up. */
  readonly answerTimeoutMs: number;
  /** Longest wait for leg, membership and media to be gone; all three are closed at the same time. */
  readonly releaseTimeoutMs: number;
  /** Of outbound calls that do not say it themselves. */
  readonly confirm: Confirm;
  /** Outbound calls that one user or API token may have at a time. */
  readonly maxCallsPerUser: number;
  /** Outbound calls of the whole gateway at a time. */
  readonly maxCalls: number;
  /** Inbound calls of the whole gateway at a time. */
  readonly maxInboundCalls: number;
}

export const DEFAULT_CALL_OPTIONS: CallOptions = {
  ringTimeoutMs: 60_000,
  forwardAfterMs: 20_000,
  connectTimeoutMs: 10_000,
  maxDurationMs: 4 * 3_600_000,
  aloneHangupMs: 60_000,
  waitingHangupMs: 10 * 60_000,
  answerTimeoutMs: 55_000,
  releaseTimeoutMs: 2000,
  confirm: "none",
  maxCallsPerUser: 2,
  maxCalls: 10,
  maxInboundCalls: 30,
};

/** One way to reach the phone. Each has a leg id of its own, so that facts of a trunk that was given up are known as stale. */
export interface DialTarget {
  readonly legId: LegId;
  readonly trunkId: TrunkId;
  readonly dialString: string;
  readonly callerId: CallerId;
  /** As of Trunk. */
  readonly earlyMedia?: "answer";
}

/** What is being closed, once for each closing call that has not come back. */
export type Release = "leg" | "rtc" | "media";

/** A call as `step` sees it: plain data, no handle, no secret. */
export interface Call {
  readonly record: CallRecord;
  readonly displayName: string;
  /** As of PrepareMember. */
  readonly nameInRoom?: string;
  readonly voice: Voice;
  /** The bot has to invite the ghost (command, API). */
  readonly inviteFirst: boolean;
  /** Way of the leg. */
  readonly trunkId: TrunkId;
  /** Outbound: the current target first, then those still to try. */
  readonly targets: readonly DialTarget[];
  /** `answering`: an inbound call that we have taken and whose answer is on its way. */
  readonly leg: "idle" | "dialing" | "ringing" | "answering" | "answered" | "ended";
  readonly member: "idle" | "preparing" | "prepared" | "publishing" | "published" | "failed";
  /** What the phone's side says before it answers (183) is to be heard, as if it had. */
  readonly hearsEarly: boolean;
  /** In an encrypted room; known when the member is prepared. */
  readonly encrypted: boolean;
  readonly sfu: "idle" | "joining" | "joined" | "renewing" | "failed";
  /** Audio of the leg. `ready`: it can be attached. `lost`: its connection broke, the leg may live. */
  readonly audio: "none" | "ready" | "attaching" | "attached" | "lost" | "renewing" | "failed";
  /** Whoever attaches audio to this leg answers it. */
  readonly attachingAnswers: boolean;
  readonly bridge: "closed" | "opening" | "open" | "failed";
  /** `wanted`: the phone has to press 1 once it can be asked. A number: how often it was asked. */
  readonly confirmation: "none" | "wanted" | "given" | number;
  /** Counts media sessions: facts and results of an earlier one are stale. */
  readonly epoch: number;
  /** Audio is being brought back in state `active`. */
  readonly recovering: boolean;
  readonly recoveriesAtMs: readonly number[];
  readonly held: boolean;
  /** The phone has muted itself. */
  readonly muted: boolean;
  /** Steps that the phone has made what it hears louder, or (negative) quieter. */
  readonly volume: number;
  readonly handRaised: boolean;
  /** The PBX was asked to connect it with somebody else. */
  readonly transferring: boolean;
  /** It hears music while it waits. */
  readonly hasMusic: boolean;
  /** No member that is not a phone is in the conference. */
  readonly alone: boolean;
  /** Where it goes on when the person does not take it; what the policy refuses is not here. */
  readonly forward?: Forward;
  /** How long the person is rung; default: as long as every phone. */
  readonly ringTimeoutMs?: number;
  /** A member that is not a phone is there, or has been. */
  readonly accompanied: boolean;
  /** Nobody at all was in the conference when the call came. */
  readonly opensCall: boolean;
  /** Media keys have been exchanged with the members; inbound calls are answered then. */
  readonly keysExchanged: boolean;
  /** Words about a failure, for the notice. */
  readonly detail?: string;
  readonly releasing: readonly Release[];
}

const FRESH = {
  leg: "idle",
  member: "idle",
  hearsEarly: false,
  encrypted: false,
  sfu: "idle",
  audio: "none",
  attachingAnswers: false,
  bridge: "closed",
  confirmation: "none",
  epoch: 0,
  recovering: false,
  recoveriesAtMs: [],
  held: false,
  muted: false,
  volume: 0,
  handRaised: false,
  transferring: false,
  hasMusic: false,
  alone: false,
  accompanied: true,
  opensCall: false,
  keysExchanged: false,
  releasing: [],
} as const satisfies Partial<Call>;

/** A call that we make. */
export const createCall = (given: {
  readonly record: CallRecord;
  readonly displayName: string;
  readonly inviteFirst: boolean;
  readonly targets: readonly [DialTarget, ...DialTarget[]];
  readonly voice: Voice;
  readonly confirm: Confirm;
}): Call => {
  const { confirm, ...call } = given;
  const confirmation = confirm === "key" ? "wanted" : "none";
  return { ...FRESH, ...call, confirmation, trunkId: call.targets[0].trunkId };
};

/** A call that a PBX sent us. Who is called in person has to come yet, and finds the ghost there. */
export const createInboundCall = ({
  isAnswered,
  ghostName,
  ...given
}: {
  readonly record: CallRecord;
  readonly trunkId: TrunkId;
  readonly voice: Voice;
  readonly inviteFirst: boolean;
  /** As of RingingPlace. */
  readonly ghostName?: string;
  readonly forward?: Forward;
  readonly ringTimeoutMs?: number;
  /** The phone was in the menu, or waited at the door: it is answered, and need not wait for keys of others to be heard. */
  readonly isAnswered: boolean;
}): Call => ({
  ...FRESH,
  ...given,
  keysExchanged: isAnswered,
  displayName: ghostName ?? nameOf(given.record),
  ...(ghostName === undefined ? {} : { nameInRoom: nameOf(given.record) }),
  alone: given.record.person !== undefined,
  targets: [],
  leg: "ringing",
});

export const isOver = ({ state }: Pick<CallRecord, "state">): boolean => state === "ending" || state === "ended";

export const isPersonal = (call: Call): boolean => call.record.person !== undefined;

/** What a room may see of the phone. */
export const nameOf = ({ name, number }: Pick<CallRecord, "name" | "number">): string => name ?? formatNumber(number);
