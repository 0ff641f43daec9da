import { GatewayError, toGatewayError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { RECOVERY_WINDOW_MS } from "./actions.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import type { Admit } from "./admission.ts";
import type { CallObserver, CallStore } from "./call-store.ts";
import type { Call, CallOptions } from "./call.ts";
import { createKeypad } from "./keypad.ts";
import type { CallRecord, LegFact, LegMedia, MediaPort, RoomPort, RtcPort, SfuAccess, SipPort } from "./ports.ts";
import type { Notice, NoticePort, PhoneInNotice } from "./notice-ports.ts";
import type { Clock } from "../clock.ts";
import type { CallEvent, Effect, TimerName } from "./states.ts";

export interface CallPorts {
  readonly sip: SipPort;
  readonly rtc: RtcPort;
  readonly rooms: RoomPort;
  readonly media: MediaPort;
  readonly notices: NoticePort;
  readonly store: CallStore;
  readonly observer: CallObserver;
  readonly clock: Clock;
}

export interface EffectRunner {
  /** Starts an effect; never blocks, never throws. What comes of it is posted as an event. */
  run(effect: Effect, call: Call): void;
}

/** At a normal hang-up the leg's audio connection breaks before the engine reports the end of the leg. */
const LEG_GRACE_MS = 250;
/** The words that the call has ended are shorter. Within the time that a phone may be alone. */
const FAREWELL_MS = 2500;
/** Longer than the question. */
const CONFIRM_MS = 9000;
/** A restarted livekit-server or worker is back after about as long; three attempts fit into the recovery window. */
const RECOVERY_RETRY_MS = 2000;

interface Context {
  readonly ports: CallPorts;
  readonly options: CallOptions;
  readonly log: Log;
  readonly post: (event: CallEvent) => void;
  /** True once per conference: for the first phone whose membership is out. */
  readonly isFirstPhone: () => boolean;
  readonly admit: Admit;
  /** Takes over the leg of a call whose person did not take it. */
  readonly forward: (record: CallRecord) => void;
}

/** What must not be in the call's state: an SFU token and the credentials of the leg's audio. */
interface Handles {
  access?: SfuAccess;
  legMedia?: LegMedia;
}

type Handlers<Prefix extends string> = {
  readonly [Type in Effect["type"] as Type extends `${Prefix}.${string}` ? Type : never]: (
    effect: Extract<Effect, { type: Type }>,
    call: Call,
  ) => void;
};

const missing = (what: string): GatewayError => new GatewayError("INTERNAL", `${what} is not there yet`);

const sipHandlers = (context: Context, attempts: Attempts, handles: Handles): Handlers<"sip"> => {
  const { log, options, post } = context;
  const { sip, clock } = context.ports;
  const keypad = createKeypad(() => clock.nowMs());
  /** Keys stay here: what they spell may be secret. */
  const onKey = (digit: string): void => {
    const command = keypad.press(digit);
    if (command !== undefined) post({ type: "keypad", command });
  };
  const open = (legId: LegId, start: (onFact: (fact: LegFact) => void) => void): void => {
    const onFact = (fact: LegFact): void => {
      if (fact.type === "leg.dtmf") return onKey(fact.digit);
      if (fact.type !== "leg.mediaReady") return post({ ...fact, legId });
      const { media, ...ready } = fact;
      handles.legMedia = media;
      post({ ...ready, legId });
    };
    try {
      start(onFact);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.error({ code, message }, "the SIP engine failed to open a leg");
      post({ type: "leg.ended", legId, outcome: "internal", cause: { text: code }, tryNextTrunk: false });
    }
  };
  const { ringTimeoutMs, maxDurationMs } = options;
  return {
    "sip.dial": ({ target }, { record: { callId } }) =>
      open(target.legId, (onFact) => sip.dial({ ...target, callId, ringTimeoutMs, maxDurationMs }, onFact)),
    "sip.accept": ({ legId }) => open(legId, (onFact) => sip.accept({ legId, maxDurationMs }, onFact)),
    // The engine reports `leg.answered`.
    "sip.answer": ({ legId }) =>
      void sip.answer(legId).catch((thrown: unknown) => {
        const { code, message, retryable } = toGatewayError(thrown);
        post({ type: "operation.failed", operation: "answer", legId, code, message, retryable });
      }),
    "sip.renewMedia": ({ legId, epoch }) =>
      attempts.step(
        { operation: "renewMedia", legId, epoch },
        () => sip.renewMedia(legId),
        (renewed) => {
          handles.legMedia = renewed;
          return { type: "leg.mediaRenewed", legId, epoch };
        },
      ),
    "sip.forward": (_effect, { record }) => context.forward(record),
    "sip.hangup": ({ legId, outcome }) => attempts.release("leg", () => sip.hangup(legId, outcome)),
  };
};

const rtcHandlers = (
  { ports: { rtc }, options, post, admit }: Context,
  attempts: Attempts,
  handles: Handles,
): Handlers<"rtc"> => ({
  "rtc.prepare": (_effect, { record, displayName, nameInRoom, inviteFirst }) =>
    attempts.step(
      { operation: "prepare" },
      async () => {
        const { callId, roomId, ghost, person, direction } = record;
        const member = {
          callId,
          roomId,
          ghost,
          displayName,
          ...(nameInRoom === undefined ? {} : { nameInRoom }),
          inviteFirst,
          ...(person === undefined ? {} : { person }),
        };
        // A chat of two is made for the call: nobody has to let the ghost in.
        if (direction === "outbound" || person !== undefined) return rtc.prepare(member, post);
        const { needsInvite, ...found } = await admit(record, !inviteFirst);
        post({ type: "room.entered", ...found });
        return rtc.prepare({ ...member, inviteFirst: needsInvite }, post);
      },
      (access) => {
        handles.access = access;
        return { type: "rtc.prepared", encrypted: access.encrypted };
      },
    ),
  "rtc.publish": ({ notifyRoom }, { record: { callId } }) =>
    attempts.step(
      { operation: "publish" },
      () => rtc.publish(callId, { notifyRoom }),
      () => ({ type: "rtc.published" }),
    ),
  "rtc.exchangeKeys": (_effect, { record: { callId } }) =>
    attempts.step(
      { operation: "exchangeKeys" },
      () => rtc.keysExchanged(callId),
      () => ({ type: "rtc.keysExchanged" }),
    ),
  // As long as the phone rings: who has not heard it ring cannot answer any more.
  "rtc.ring": (_effect, { ringTimeoutMs = options.ringTimeoutMs, record: { callId } }) =>
    attempts.step(
      { operation: "ring" },
      () => rtc.ring(callId, ringTimeoutMs),
      () => ({ type: "rtc.rung" }),
    ),
  "rtc.raiseHand": ({ isRaised }, { record: { callId } }) =>
    attempts.aside("raise hand", () => rtc.raiseHand(callId, isRaised)),
  "rtc.showHold": ({ isHeld }, { record: { callId } }) =>
    attempts.aside("show hold", () => rtc.showHold(callId, isHeld)),
  "rtc.renewAccess": ({ epoch }, { record: { callId } }) =>
    attempts.step(
      { operation: "renewAccess", epoch },
      () => rtc.renewAccess(callId),
      (access) => {
        handles.access = access;
        return { type: "rtc.renewed", epoch };
      },
    ),
  "rtc.leave": (_effect, { record: { callId } }) => attempts.release("rtc", () => rtc.leave(callId)),
});

const mediaHandlers = (
  { ports: { media, rooms }, post }: Context,
  attempts: Attempts,
  handles: Handles,
): Handlers<"media"> => ({
  "media.join": ({ epoch }, { voice, record: { callId, roomId } }) =>
    attempts.step(
      { operation: "join", epoch },
      async () => {
        const { access } = handles;
        if (access === undefined) throw missing("access to the SFU");
        await media.join({ callId, roomId, access, voice }, (fact) => post({ ...fact, epoch }));
      },
      () => ({ type: "media.joined", epoch }),
    ),
  "media.attach": ({ epoch, legId }, { record: { callId } }) =>
    attempts.step(
      { operation: "attach", epoch, legId },
      async () => {
        const { legMedia } = handles;
        if (legMedia === undefined) throw missing("the leg's audio");
        await media.attach(callId, legMedia);
      },
      () => ({ type: "media.attached", epoch, legId }),
    ),
  "media.bridge": ({ epoch }, { record: { callId } }) =>
    attempts.step(
      { operation: "bridge", epoch },
      () => media.bridge(callId),
      () => ({ type: "media.bridged", epoch }),
    ),
  "media.setHeld": ({ held }, { record: { callId } }) => attempts.aside("hold", () => media.setHeld(callId, held)),
  "media.setVolume": ({ gainDb }, { record: { callId } }) =>
    attempts.aside("volume", () => media.setVolume(callId, gainDb)),
  "media.setMuted": ({ muted }, { record: { callId } }) => attempts.aside("mute", () => media.setMuted(callId, muted)),
  "media.prompt": ({ name }, { record: { callId } }) => attempts.aside("prompt", () => media.prompt(callId, name)),
  "media.promptCount": (_effect, { record: { callId, roomId, ghost } }) =>
    attempts.aside("count", async () => {
      const { conference } = await rooms.viewAsGhost(roomId, ghost);
      await media.promptCount(callId, conference.length);
    }),
  "media.stopMusic": (_effect, { record: { callId } }) => attempts.aside("music", () => media.stopMusic(callId)),
  "media.leave": (_effect, { record: { callId } }) => attempts.release("media", () => media.leave(callId)),
});

const phoneOf = ({ displayName, record: { direction } }: Call): PhoneInNotice => ({ name: displayName, direction });

const noticeHandlers = (context: Context, attempts: Attempts): Handlers<"notice"> => {
  const notify = ({ record: { roomId, callId } }: Call, notice: Notice): void =>
    attempts.aside("notice", () => context.ports.notices.notify({ roomId, callId }, notice));
  return {
    "notice.encryption": (_effect, call) => {
      if (context.isFirstPhone()) notify(call, { kind: "phone-leaves-encryption" });
    },
    "notice.alone": (_effect, call) => {
      const { aloneHangupMs: hangupAfterMs } = context.options;
      notify(call, { kind: "left-alone", phone: phoneOf(call), hangupAfterMs });
    },
    "notice.waiting": (_effect, call) => notify(call, { kind: "caller-waits", phone: phoneOf(call) }),
    "notice.failed": ({ outcome, detail }, call) => {
      const phone = phoneOf(call);
      notify(call, { kind: "call-failed", phone, outcome, ...(detail === undefined ? {} : { detail }) });
    },
  };
};

const timerHandlers = ({ ports: { clock }, options, post }: Context): Handlers<"timer" | "timers"> => {
  const cancels = new Map<TimerName, () => void>();
  const delayMs: Readonly<Record<Exclude<TimerName, "ring">, number>> = {
    connect: options.connectTimeoutMs,
    maxDuration: options.maxDurationMs,
    alone: Math.max(0, options.aloneHangupMs - FAREWELL_MS),
    waiting: Math.max(0, options.waitingHangupMs - FAREWELL_MS),
    farewell: FAREWELL_MS,
    confirm: CONFIRM_MS,
    legGrace: LEG_GRACE_MS,
    recovery: RECOVERY_WINDOW_MS,
    recoveryRetry: RECOVERY_RETRY_MS,
    release: options.releaseTimeoutMs,
  };
  const ringMs = ({ ringTimeoutMs = options.ringTimeoutMs, record: { direction, person } }: Call): number =>
    direction === "inbound" && person === undefined ? options.answerTimeoutMs : ringTimeoutMs;
  const cancel = (timer: TimerName): void => {
    cancels.get(timer)?.();
    cancels.delete(timer);
  };
  return {
    "timer.arm": ({ timer }, call) => {
      cancel(timer);
      const onTime = (): void => post({ type: `timer.${timer}` });
      cancels.set(timer, clock.after(timer === "ring" ? ringMs(call) : delayMs[timer], onTime));
    },
    "timers.cancel": ({ timers }) => {
      for (const timer of timers) cancel(timer);
    },
  };
};

/** Carries out the effects of one call, and turns what comes of them into events. */
export const createEffectRunner = (context: Context): EffectRunner => {
  const { log, ports } = context;
  const attempts = createAttempts(context);
  const handles: Handles = {};
  const handlers: Handlers<string> = {
    ...sipHandlers(context, attempts, handles),
    ...rtcHandlers(context, attempts, handles),
    ...mediaHandlers(context, attempts, handles),
    ...noticeHandlers(context, attempts),
    ...timerHandlers(context),
    "audio.observe": ({ fact }, { record }) => ports.observer.audio(record, fact),
    "store.save": (_effect, { record }) => ports.store.save(record),
  };
  return {
    run: (effect, call) => {
      // The table is keyed by the effect's own type, which TypeScript cannot follow through an index.
      const handle = handlers[effect.type] as (effect: Effect, call: Call) => void;
      try {
        handle(effect, call);
      } catch (thrown) {
        const { code, message } = toGatewayError(thrown);
        log.error({ effect: effect.type, code, message }, "an effect of the call failed");
      }
    },
  };
};
