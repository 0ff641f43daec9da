import type { PhoneNumber } from "../numbering/phone-number.ts";
import { type Done, isHeard, mayRecover, runActions, TIMER_NAMES } from "./actions.ts";
import { type Call, isPersonal } from "./call.ts";
import { absorb, isStale, noteFailure } from "./facts.ts";
import { forwardTarget } from "./forward.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import type { CallStateName } from "./ports.ts";
import { type CallEvent, type Effect, ON_ENTRY, type Rule, TIMERS, TRANSITIONS, type Trigger } from "./states.ts";

export interface Step extends Done {
  /** Row of the table that was used; undefined when the event was ignored (then nothing changed). */
  readonly trigger?: Trigger;
}

const isNextTrunkWanted = (call: Call, event: Extract<CallEvent, { type: "leg.ended" }>): boolean =>
  event.tryNextTrunk && call.record.state === "alerting" && call.leg === "dialing" && call.targets.length > 1;

const MEDIA_LOSSES: ReadonlySet<CallEvent["type"]> = new Set([
  "media.workerLost",
  "media.sfuLost",
  "timer.legGrace",
  "timer.recoveryRetry",
]);

/** A voicemail hears the question as often as a person, and is hung up. */
const MOST_QUESTIONS = 3;

/** The row an event belongs to: its type, except where one type means different things. */
const triggerOf = (call: Call, event: CallEvent, nowMs: number): Trigger => {
  if (event.type === "leg.ended" && isNextTrunkWanted(call, event)) return "leg.unreached";
  if (event.type === "timer.confirm" && call.confirmation === MOST_QUESTIONS) return "confirm.missing";
  if (MEDIA_LOSSES.has(event.type)) return mayRecover(call, nowMs) ? "media.lost" : "media.lostForGood";
  if (isPersonal(call) && event.type === "rtc.accompanied") return "person.came";
  if (isPersonal(call) && event.type === "rtc.alone") return "person.left";
  if (event.type === "operation.failed" && call.record.state === "active") {
    // New access to a leg is refused for good when the leg is gone.
    return event.operation === "renewMedia" && !event.retryable ? "media.lostForGood" : "media.retryLater";
  }
  return event.type;
};

const outcomeOf = (call: Call, rule: Rule, event: CallEvent): Outcome | undefined => {
  if (rule.outcome !== "of-event") return rule.outcome;
  if (event.type === "leg.ended") {
    return call.transferring && event.outcome === "completed" ? "transferred" : event.outcome;
  }
  if (event.type === "rtc.alone") return call.record.direction === "inbound" ? "declined" : "cancelled";
  if (event.type === "timer.ring" && call.record.direction === "inbound") {
    return isPersonal(call) && call.member === "published" ? "no-answer" : "room-unavailable";
  }
  // The engine's own time-out of the same length says the same, whichever comes first.
  if (event.type === "timer.ring") return call.leg === "ringing" ? "no-answer" : "unreachable";
  return event.type === "operation.failed" ? outcomeFromErrorCode(event.code) : "internal";
};

/** Where a call goes on that ends now: one that still rings at the person, and that nobody is just answering. */
const forwardOf = (call: Call, outcome: Outcome | undefined): PhoneNumber | undefined => {
  const isBeingAnswered = call.attachingAnswers && call.audio !== "ready";
  const isRinging = call.leg === "ringing" && !isBeingAnswered;
  return isRinging && outcome !== undefined ? forwardTarget(call.forward, outcome) : undefined;
};

const enter = (call: Call, to: CallStateName, outcome: Outcome | undefined, event: CallEvent, nowMs: number): Done => {
  const from = call.record.state;
  const forwardedTo = to === "ending" ? forwardOf(call, outcome) : undefined;
  const timers = TIMER_NAMES.filter((timer) => TIMERS[timer] === from);
  const entered: Call = {
    ...call,
    record: {
      ...call.record,
      state: to,
      ...(outcome === undefined ? {} : { outcome }),
      ...(to === "ending" ? { endedAtMs: nowMs } : {}),
      ...(forwardedTo === undefined ? {} : { forwardedTo }),
    },
  };
  const done = runActions(ON_ENTRY[to], entered, event, nowMs);
  return timers.length === 0
    ? done
    : { call: done.call, effects: [{ type: "timers.cancel", timers }, ...done.effects] };
};

/** What has become possible: the leg's audio can be attached, the path be opened, a leg connection lost while ringing be renewed. */
const followUp = (call: Call, event: CallEvent, nowMs: number): Done => {
  const { state, legId } = call.record;
  if (state !== "alerting" && state !== "connecting" && state !== "active") return { call, effects: [] };
  const { epoch } = call;
  if (call.audio === "lost" && state === "connecting") {
    return { call: { ...call, audio: "renewing" }, effects: [{ type: "sip.renewMedia", legId, epoch }] };
  }
  if (call.sfu !== "joined") return { call, effects: [] };
  const isAwaited = call.record.direction === "inbound" && !(isPersonal(call) && call.alone);
  const mayAnswer = isAwaited && call.member === "published" && call.keysExchanged;
  const wouldAnswer = call.attachingAnswers && call.leg === "ringing";
  if (call.audio === "ready" && (mayAnswer || !wouldAnswer)) {
    return { call: { ...call, audio: "attaching" }, effects: [{ type: "media.attach", epoch, legId }] };
  }
  const isReady = call.audio === "attached" && call.member === "published";
  if (isReady && mayAnswer && call.leg === "ringing") {
    return { call: { ...call, leg: "answering" }, effects: [{ type: "sip.answer", legId }] };
  }
  if (isReady && call.leg === "answered" && call.confirmation === "wanted") {
    return runActions(["askToConfirm"], call, event, nowMs);
  }
  const mayTalk = typeof call.confirmation === "string";
  if (isReady && isHeard(call) && call.bridge === "closed" && mayTalk) {
    return { call: { ...call, bridge: "opening" }, effects: [{ type: "media.bridge", epoch }] };
  }
  return { call, effects: [] };
};

const isReleased = (call: Call): boolean =>
  call.releasing.length === 0 &&
  call.member !== "preparing" &&
  call.member !== "publishing" &&
  call.sfu !== "joining" &&
  call.audio !== "attaching" &&
  call.audio !== "renewing";

/** One step of a call. Pure: the same call, event and time give the same call and effects; the effects are run by the actor, in order. */
export const step = (call: Call, event: CallEvent, nowMs: number): Step => {
  if (isStale(call, event)) return { call, effects: [] };
  const trigger = triggerOf(call, event, nowMs);
  const rule = TRANSITIONS[call.record.state][trigger];
  if (rule === undefined) return { call, effects: [] };

  const effects: Effect[] = [];
  const take = (done: Done): Call => {
    effects.push(...done.effects);
    return done.call;
  };
  let next = absorb(call, event, nowMs);
  if (rule.to === "ending") next = noteFailure(next, event);
  next = take(runActions(rule.actions ?? [], next, event, nowMs));
  if (rule.to !== undefined) next = take(enter(next, rule.to, outcomeOf(next, rule, event), event, nowMs));
  next = take(followUp(next, event, nowMs));
  if (next.record.state === "ending" && isReleased(next)) next = take(enter(next, "ended", undefined, event, nowMs));
  return { call: next, effects, trigger };
};
