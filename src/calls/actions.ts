import type { Call, DialTarget } from "./call.ts";
import { OUTCOME_FACTS } from "./outcome.ts";
import { type Action, type CallEvent, type Effect, TIMERS, type TimerName } from "./states.ts";

/** Audio that broke is brought back at most this often within this time; after that the call ends with `media-failed`. */
export const MAX_RECOVERIES = 3;
export const RECOVERY_WINDOW_MS = 10_000;

export interface Done {
  readonly call: Call;
  readonly effects: readonly Effect[];
}

type Run = (call: Call, event: CallEvent, nowMs: number) => Done;

const nothing = (call: Call): Done => ({ call, effects: [] });
const only = (call: Call, ...effects: readonly Effect[]): Done => ({ call, effects });

const outcomeOf = (call: Call) => call.record.outcome ?? "internal";

const recentRecoveries = (call: Call, nowMs: number): readonly number[] =>
  call.recoveriesAtMs.filter((atMs) => atMs > nowMs - RECOVERY_WINDOW_MS);

export const mayRecover = (call: Call, nowMs: number): boolean => recentRecoveries(call, nowMs).length < MAX_RECOVERIES;

const dial: Run = (call) => only({ ...call, leg: "dialing" }, { type: "sip.dial", target: call.targets[0] });

const dialNext: Run = (call, event, nowMs) => {
  const [, ...rest] = call.targets;
  const [target] = rest;
  if (target === undefined) return nothing(call);
  const { cause: _causeOfTheOtherTrunk, ...record } = call.record;
  const targets = rest as unknown as readonly [DialTarget, ...DialTarget[]];
  return dial({ ...call, targets, audio: "none", record: { ...record, legId: target.legId } }, event, nowMs);
};

/** A leg that is attached stays so unless its worker died; one whose audio was never used needs no new access. */
const audioAfterLoss = (call: Call, event: CallEvent): Call["audio"] => {
  if (call.audio === "none" || call.audio === "ready") return call.audio;
  return call.audio === "attached" && event.type !== "media.workerLost" ? "attached" : "renewing";
};

/**
 * A new media session: everything of the old one is stale from here on. When only the leg's connection was lost, the session stays: joining
 * the SFU anew would let the phone's tile flicker.
 */
const recover: Run = (call, event, nowMs) => {
  const isLegOnly = event.type === "timer.legGrace" && call.sfu === "joined";
  const epoch = isLegOnly ? call.epoch : call.epoch + 1;
  const sfu = isLegOnly ? "joined" : "renewing";
  const isActive = call.record.state === "active";
  const audio = audioAfterLoss(call, event);
  const effects: Effect[] = isLegOnly ? [] : [{ type: "rtc.renewAccess", epoch }];
  if (audio === "renewing") effects.push({ type: "sip.renewMedia", legId: call.record.legId, epoch });
  if (isActive) {
    effects.push({ type: "timers.cancel", timers: ["legGrace", "recoveryRetry"] });
    if (!call.recovering) effects.push({ type: "timer.arm", timer: "recovery" });
  }
  const recoveriesAtMs = [...recentRecoveries(call, nowMs), nowMs];
  return only({ ...call, epoch, sfu, audio, bridge: "closed", recovering: isActive, recoveriesAtMs }, ...effects);
};

const hangup: Run = (call) =>
  call.leg === "idle"
    ? nothing(call)
    : only(
        { ...call, releasing: [...call.releasing, "leg"] },
        { type: "sip.hangup", legId: call.record.legId, outcome: outcomeOf(call) },
      );

const leaveRtc: Run = (call) =>
  call.member === "idle"
    ? nothing(call)
    : only({ ...call, releasing: [...call.releasing, "rtc"] }, { type: "rtc.leave" });

const leaveMedia: Run = (call) =>
  call.sfu === "idle"
    ? nothing(call)
    : only({ ...call, releasing: [...call.releasing, "media"] }, { type: "media.leave" });

/** A step that failed while the call was being closed may have left half of itself behind. */
const undoFailed: Run = (call, event, nowMs) => {
  if (event.type !== "operation.failed") return nothing(call);
  switch (event.operation) {
    case "prepare":
    case "publish":
      return leaveRtc(call, event, nowMs);
    case "join":
      return leaveMedia(call, event, nowMs);
    case "attach":
      return runActions(["leaveMedia", "hangup"], call, event, nowMs);
    case "renewMedia":
      return hangup(call, event, nowMs);
    case "renewAccess":
    case "bridge":
      return nothing(call);
  }
};

const tellFailure: Run = (call) => {
  const outcome = outcomeOf(call);
  if (!OUTCOME_FACTS[outcome].isFailure) return nothing(call);
  return only(call, { type: "notice.failed", outcome, ...(call.detail === undefined ? {} : { detail: call.detail }) });
};

const tellAlone: Run = (call) =>
  call.alone
    ? only(call, { type: "media.promptAlone" }, { type: "notice.alone" }, { type: "timer.arm", timer: "alone" })
    : nothing(call);

/** A new session starts unheld; otherwise only a change is told. */
const applyHold: Run = (call, event) =>
  call.held || event.type === "leg.resumed" ? only(call, { type: "media.setHeld", held: call.held }) : nothing(call);

const NAMED = {
  dial,
  dialNext,
  prepare: (call) => only({ ...call, member: "preparing" }, { type: "rtc.prepare" }),
  publish: (call) => only({ ...call, member: "publishing" }, { type: "rtc.publish" }),
  join: (call) => only({ ...call, sfu: "joining" }, { type: "media.join", epoch: call.epoch }),
  recover,
  // The epoch moves on so that what is still under way of the failed attempt changes nothing any more.
  dropSession: (call) => {
    const isUnderWay = call.audio === "attaching" || call.audio === "renewing";
    const audio = isUnderWay ? "failed" : call.audio;
    return nothing({ ...call, epoch: call.epoch + 1, sfu: "failed", audio, bridge: "closed" });
  },
  undoFailed,
  leaveRtc,
  leaveMedia,
  hangup,
  tellFailure,
  tellEncryption: (call) => (call.encrypted ? only(call, { type: "notice.encryption" }) : nothing(call)),
  tellAlone,
  applyHold,
  observeAudio: (call, event) =>
    event.type === "media.flowing" || event.type === "media.silent"
      ? only(call, { type: "audio.observe", fact: { type: event.type, direction: event.direction } })
      : nothing(call),
  save: (call) => only(call, { type: "store.save" }),
} as const satisfies Partial<Record<Action, Run>>;

export const TIMER_NAMES = Object.keys(TIMERS) as readonly TimerName[];

const runTimer = (call: Call, action: string): Done => {
  const [verb, name] = action.split(":");
  const timer = name as TimerName;
  return only(call, verb === "arm" ? { type: "timer.arm", timer } : { type: "timers.cancel", timers: [timer] });
};

const isNamed = (action: Action): action is keyof typeof NAMED => action in NAMED;

/** Runs actions in order; each sees the call as the one before left it. */
export const runActions = (actions: readonly Action[], call: Call, event: CallEvent, nowMs: number): Done => {
  let current = call;
  const effects: Effect[] = [];
  for (const action of actions) {
    const done = isNamed(action) ? NAMED[action](current, event, nowMs) : runTimer(current, action);
    current = done.call;
    effects.push(...done.effects);
  }
  return { call: current, effects };
};
