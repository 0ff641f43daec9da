import { type Call, isPersonal } from "./call.ts";
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

const isInbound = (call: Call): boolean => call.record.direction === "inbound";

/** An inbound leg is there already: it is told that we ring. */
const dial: Run = (call) => {
  if (isInbound(call)) return only(call, { type: "sip.accept", legId: call.record.legId });
  const [target] = call.targets;
  return target === undefined ? nothing(call) : only({ ...call, leg: "dialing" }, { type: "sip.dial", target });
};

const dialNext: Run = (call, event, nowMs) => {
  const [, ...rest] = call.targets;
  const [target] = rest;
  if (target === undefined) return nothing(call);
  const { cause: _causeOfTheOtherTrunk, ...record } = call.record;
  const { legId, trunkId } = target;
  return dial({ ...call, targets: rest, trunkId, audio: "none", record: { ...record, legId } }, event, nowMs);
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

/** The leg that the event is about, which may be one of an earlier trunk; else the call's. */
const hangup: Run = (call, event) => {
  // A leg that was forwarded is another call's.
  if (call.leg === "idle" || call.record.forwardedTo !== undefined) return nothing(call);
  const legId = event.type === "media.attached" ? event.legId : call.record.legId;
  const releasing: Call["releasing"] = [...call.releasing, "leg"];
  return only({ ...call, releasing }, { type: "sip.hangup", legId, outcome: outcomeOf(call) });
};

/** A caller for whom somebody else is tried goes on ringing. */
const endLeg: Run = (call, event, nowMs) =>
  call.record.forwardedTo === undefined ? hangup(call, event, nowMs) : only(call, { type: "sip.forward" });

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
    case "exchangeKeys":
    case "answer":
    case "ring":
      return nothing(call);
  }
};

/** A caller who never got in is told by the PBX; the room has not heard of it. */
const tellFailure: Run = (call) => {
  const outcome = outcomeOf(call);
  // A one-to-one call has its line in the chat (src/personal).
  if (isPersonal(call)) return nothing(call);
  if (isInbound(call) && call.record.answeredAtMs === undefined) return nothing(call);
  if (!OUTCOME_FACTS[outcome].isFailure) return nothing(call);
  return only(call, { type: "notice.failed", outcome, ...(call.detail === undefined ? {} : { detail: call.detail }) });
};

/** Nobody has come yet: the phone waits with music, and the first phone calls for company. */
const wait: Run = (call) =>
  only(
    { ...call, hasMusic: true },
    { type: "media.prompt", name: "waiting" },
    ...(call.opensCall ? [{ type: "notice.waiting" } as const] : []),
    { type: "timer.arm", timer: "waiting" },
  );

const tellAlone: Run = (call, event, nowMs) => {
  if (!call.alone || isPersonal(call)) return nothing(call);
  if (!call.accompanied) return wait(call, event, nowMs);
  const prompt = { type: "media.prompt", name: "alone" } as const;
  return only(call, prompt, { type: "notice.alone" }, { type: "timer.arm", timer: "alone" });
};

/** A person has the time that it takes: only then the time for connecting runs. */
const askToConfirm: Run = (call) =>
  only(
    { ...call, confirmation: typeof call.confirmation === "number" ? call.confirmation + 1 : 1 },
    { type: "timers.cancel", timers: ["connect"] },
    { type: "media.prompt", name: "invited" },
    { type: "timer.arm", timer: "confirm" },
  );

/** Also before it was asked: no voicemail presses a key. */
const isToConfirm = ({ confirmation }: Call): boolean => confirmation !== "none" && confirmation !== "given";

const confirm: Run = (call, event) =>
  event.type === "keypad" && event.command === "confirm" && isToConfirm(call)
    ? only(
        { ...call, confirmation: "given" },
        { type: "timers.cancel", timers: ["confirm"] },
        { type: "timer.arm", timer: "connect" },
      )
    : nothing(call);

const bidFarewell: Run = (call) =>
  only(call, { type: "media.prompt", name: "ended" }, { type: "timer.arm", timer: "farewell" });

/** A step that is heard, and so many that a quiet conference becomes loud and a loud one bearable. */
const VOLUME_STEP_DB = 4;
const MOST_VOLUME_STEPS = 3;

const volumeEffect = (volume: number) => ({ type: "media.setVolume", gainDb: volume * VOLUME_STEP_DB }) as const;

const setVolume = (call: Call, wanted: number): Done => {
  const volume = Math.max(-MOST_VOLUME_STEPS, Math.min(MOST_VOLUME_STEPS, wanted));
  return only({ ...call, volume }, volumeEffect(volume));
};

const obeyKeys: Run = (call, event) => {
  if (event.type !== "keypad") return nothing(call);
  switch (event.command) {
    case "mute": {
      const muted = !call.muted;
      const name = muted ? "muted" : "unmuted";
      return only({ ...call, muted }, { type: "media.setMuted", muted }, { type: "media.prompt", name });
    }
    case "hand": {
      const isRaised = !call.handRaised;
      const name = isRaised ? "hand-raised" : "hand-lowered";
      const effects = [{ type: "rtc.raiseHand", isRaised } as const, { type: "media.prompt", name } as const];
      return only({ ...call, handRaised: isRaised }, ...effects);
    }
    case "quieter":
      return setVolume(call, call.volume - 1);
    case "louder":
      return setVolume(call, call.volume + 1);
    case "count":
      return only(call, { type: "media.promptCount" });
    case "help":
      return only(call, { type: "media.prompt", name: "help" });
    case "confirm":
      return nothing(call);
  }
};

/** A moderator can silence a phone, but never switch its microphone on: that takes a key of the phone. */
const obeyModerator: Run = (call, event) => {
  if (event.type !== "moderation" || call.muted === (event.action === "mute")) return nothing(call);
  if (event.action === "unmute") return only(call, { type: "media.prompt", name: "unmute-requested" });
  return only(
    { ...call, muted: true },
    { type: "media.setMuted", muted: true },
    { type: "media.prompt", name: "muted" },
  );
};

/** A new session starts unheld; otherwise only a change is told. */
const applyHold: Run = (call, event) =>
  call.held || event.type === "leg.resumed"
    ? only(call, { type: "media.setHeld", held: call.held }, { type: "rtc.showHold", isHeld: call.held })
    : nothing(call);

/** The phone, or what its network says in its place. */
export const isHeard = ({ leg, hearsEarly }: Call): boolean => leg === "answered" || hearsEarly;

/** In a one-to-one call the membership of the ghost says that the phone was picked up: Element Call stops ringing when it comes. */
const publish: Run = (call) =>
  isPersonal(call) && !isInbound(call) && !isHeard(call)
    ? nothing(call)
    : only({ ...call, member: "publishing" }, { type: "rtc.publish", notifyRoom: isInbound(call) && call.opensCall });

/** Outbound calls are answered by the phone, whenever it likes; a person who is called has to be there first. */
const exchangeKeys: Run = (call) => {
  const isDue = call.member === "published" && !(isPersonal(call) && call.alone);
  return isInbound(call) && isDue && !call.keysExchanged ? only(call, { type: "rtc.exchangeKeys" }) : nothing(call);
};

const NAMED = {
  dial,
  dialNext,
  prepare: (call) => only({ ...call, member: "preparing" }, { type: "rtc.prepare" }),
  publish,
  publishWhenHeard: (call, event, nowMs) =>
    isPersonal(call) && call.member === "prepared" ? publish(call, event, nowMs) : nothing(call),
  // Who is in the call already (they are just calling the phone) need not be rung.
  ring: (call) =>
    isPersonal(call) && isInbound(call) && call.alone ? only(call, { type: "rtc.ring" }) : nothing(call),
  exchangeKeys,
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
  endLeg,
  tellFailure,
  // The line of a one-to-one call says it.
  tellEncryption: (call) =>
    call.encrypted && !isPersonal(call) ? only(call, { type: "notice.encryption" }) : nothing(call),
  tellAlone,
  bidFarewell,
  applyHold,
  applyMute: (call) => (call.muted ? only(call, { type: "media.setMuted", muted: true }) : nothing(call)),
  applyVolume: (call) => (call.volume === 0 ? nothing(call) : only(call, volumeEffect(call.volume))),
  obeyKeys,
  obeyModerator,
  askToConfirm,
  confirm,
  // A new media session knows of none.
  resumeMusic: (call) => (call.hasMusic ? only(call, { type: "media.prompt", name: "waiting" }) : nothing(call)),
  stopMusic: (call) =>
    call.hasMusic ? only({ ...call, hasMusic: false }, { type: "media.stopMusic" }) : nothing(call),
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
