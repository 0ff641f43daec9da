import type { TrunkId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import type { Admit } from "./admission.ts";
import type { Call, CallOptions } from "./call.ts";
import { type CallPorts, createEffectRunner } from "./effect-runner.ts";
import type { CallRecord } from "./ports.ts";
import type { CallEvent } from "./states.ts";
import { step, type Step } from "./step.ts";

/** The one owner of a call: everything else sends it facts. */
export interface CallActor {
  /** Handled at once, or, when posted from within the handling of another event, right after that one. */
  post(event: CallEvent): void;
  record(): CallRecord;
  /** Way of the leg. */
  trunkId(): TrunkId;
  /** It waits for somebody to join its call. */
  hasMusic(): boolean;
  /** Resolves when the call is `ended`. */
  readonly ended: Promise<void>;
}

export const createCallActor = ({
  call: initial,
  ports,
  options,
  log,
  isFirstPhone,
  admit,
  forward,
}: {
  readonly call: Call;
  readonly ports: CallPorts;
  readonly options: CallOptions;
  readonly log: Log;
  readonly isFirstPhone: () => boolean;
  readonly admit: Admit;
  /** Takes over the leg when the call goes on somewhere else. */
  readonly forward: (record: CallRecord) => void;
}): CallActor => {
  const { callId, roomId, number, direction, createdAtMs } = initial.record;
  const callLog = log.child({ callId, roomId, direction, number: maskNumber(number) });
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<void>();
  const mailbox: CallEvent[] = [];
  let call = initial;
  let isHandling = false;

  const report = (before: Call, { call: after, trigger }: Step, event: CallEvent): void => {
    const { state, outcome, cause } = after.record;
    const from = before.record.state;
    const sinceStartMs = ports.clock.nowMs() - createdAtMs;
    if (trigger === undefined || state === from) {
      callLog.debug({ event: event.type, state, ignored: trigger === undefined, sinceStartMs }, "call event");
      if (trigger === "leg.unreached") {
        callLog.warn(
          { trunkId: before.trunkId, nextTrunkId: after.trunkId },
          "trunk could not be reached, trying the next one",
        );
      }
      return;
    }
    const { trunkId, detail } = after;
    const reason = event.type === "operation.failed" && from !== "ending" ? { code: event.code, detail } : {};
    const fields = { event: event.type, from, to: state, trunkId, outcome, cause, ...reason, sinceStartMs };
    callLog.info(fields, "call transition");
    if (state === "ended" && after.releasing.length > 0) {
      callLog.error(
        { notClosed: after.releasing, afterMs: options.releaseTimeoutMs },
        "gave up closing a part of the call",
      );
    }
    try {
      ports.observer.transition(after.record, event.type, trunkId);
    } catch (error) {
      callLog.error({ message: String(error) }, "a call observer failed");
    }
  };

  const handle = (event: CallEvent): void => {
    const before = call;
    const result = step(before, event, ports.clock.nowMs());
    call = result.call;
    for (const effect of result.effects) runner.run(effect, call);
    report(before, result, event);
    if (call.record.state === "ended") resolveEnded();
  };

  const post = (event: CallEvent): void => {
    mailbox.push(event);
    if (isHandling) return;
    isHandling = true;
    try {
      for (let next = mailbox.shift(); next !== undefined; next = mailbox.shift()) handle(next);
    } finally {
      isHandling = false;
    }
  };

  const runner = createEffectRunner({ ports, options, log: callLog, post, isFirstPhone, admit, forward });
  return { post, record: () => call.record, trunkId: () => call.trunkId, hasMusic: () => call.hasMusic, ended };
};
