import { GatewayError, toGatewayError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import type { CallActor } from "./call-actor.ts";
import { type CallOptions, type DialTarget, isOver } from "./call.ts";
import type { CallPorts } from "./effect-runner.ts";
import type { Outcome } from "./outcome.ts";
import type { CallRecord, CallStateName, LegCause, LegFact } from "./ports.ts";
import type { CallEvent } from "./states.ts";

export interface ForwardedCallDeps {
  readonly ports: Pick<CallPorts, "sip" | "store" | "observer" | "clock">;
  readonly options: Pick<CallOptions, "ringTimeoutMs" | "maxDurationMs">;
  readonly log: Log;
  readonly record: CallRecord;
  /** Of the caller: it hears us ring, and is not taken by anybody. */
  readonly caller: LegId;
  readonly targets: readonly [DialTarget, ...DialTarget[]];
}

/** What people and programs ask of it. Everything else that happens to calls in rooms does not concern it. */
const ENDS: Readonly<Partial<Record<CallEvent["type"], { readonly ringing: Outcome; readonly talking: Outcome }>>> = {
  "hangup.byAdder": { ringing: "cancelled", talking: "completed" },
  "hangup.byModerator": { ringing: "cancelled", talking: "removed" },
  "gateway.shutdown": { ringing: "shutdown", talking: "shutdown" },
};

/**
 * A caller whom a person did not take, and the number that is tried for them. The engine connects the two: no ghost, no conference, no audio
 * of ours. What the number answers to the call is what the caller gets. Longest ringing and longest call are kept by the engine.
 */
export const createForwardedCall = (deps: ForwardedCallDeps): CallActor => {
  const { caller, options } = deps;
  const { sip, store, observer, clock } = deps.ports;
  const { ringTimeoutMs, maxDurationMs } = options;
  const { callId, number } = deps.record;
  const log = deps.log.child({ callId, direction: "outbound", number: maskNumber(number), forwarded: true });
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<void>();
  let [target, ...targets]: readonly DialTarget[] = deps.targets;
  let record: CallRecord = { ...deps.record, legId: deps.targets[0].legId };

  const enter = (state: CallStateName, event: string, changes: Partial<CallRecord> = {}): void => {
    const { state: from } = record;
    record = { ...record, ...changes, state };
    store.save(record);
    log.info({ event, from, to: state, trunkId: trunkId(), outcome: record.outcome }, "call transition");
    observer.transition(record, event, trunkId());
  };
  const trunkId = () => target?.trunkId ?? deps.targets[0].trunkId;

  const hangUp = async (leg: LegId, outcome: Outcome): Promise<void> => {
    try {
      await sip.hangup(leg, outcome);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, message }, "a leg of a forwarded call was not closed");
    }
  };

  const end = async (event: string, outcome: Outcome, cause?: LegCause): Promise<void> => {
    if (isOver(record)) return;
    enter("ending", event, { outcome, endedAtMs: clock.nowMs(), ...(cause === undefined ? {} : { cause }) });
    await Promise.all([hangUp(record.legId, outcome), hangUp(caller, outcome)]);
    enter("ended", "released");
    resolveEnded();
  };

  const connect = async (): Promise<void> => {
    enter("connecting", "leg.answered");
    try {
      if (sip.connect === undefined) throw new GatewayError("BAD_REQUEST", "This engine connects no legs.");
      await sip.connect(caller, record.legId);
    } catch (thrown) {
      return await end("connect.failed", "media-failed", { text: toGatewayError(thrown).code });
    }
    if (!isOver(record)) enter("active", "leg.connected", { answeredAtMs: clock.nowMs() });
  };

  const onCalled = (legId: LegId, fact: LegFact): void => {
    // Of a trunk that was given up, or crossing our CANCEL, which ends it.
    if (legId !== record.legId || isOver(record)) return;
    if (fact.type === "leg.answered" && record.state === "alerting") return void connect();
    if (fact.type !== "leg.ended") return;
    if (!fact.tryNextTrunk || record.state !== "alerting" || targets.length === 0) {
      return void end(fact.type, fact.outcome, fact.cause);
    }
    [target, ...targets] = targets;
    dial();
  };

  const dial = (): void => {
    if (target === undefined) return;
    const request = { ...target, callId, ringTimeoutMs, maxDurationMs, withoutAudio: true } as const;
    record = { ...record, legId: request.legId };
    sip.dial(request, (fact) => onCalled(request.legId, fact));
  };

  const start = (): void => {
    enter("alerting", "call.start");
    try {
      sip.accept({ legId: caller, maxDurationMs, withoutAudio: true }, (fact) => {
        if (fact.type === "leg.ended") void end("caller.ended", fact.outcome);
      });
      dial();
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, message }, "a call could not be forwarded");
      void end("call.start", "trunk-failed", { text: code });
    }
  };

  return {
    record: () => record,
    trunkId,
    hasMusic: () => false,
    ended,
    post: ({ type }) => {
      if (type === "call.start") return start();
      const ends = ENDS[type];
      if (ends !== undefined) void end(type, record.answeredAtMs === undefined ? ends.ringing : ends.talking);
    },
  };
};
