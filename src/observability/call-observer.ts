import type { CallObserver } from "../calls/call-store.ts";
import type { CallRecord, CallStateName } from "../calls/ports.ts";
import type { CallId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import type { Metrics } from "./metrics.ts";

export interface CallObserverDeps {
  readonly metrics: Pick<Metrics, "callStarted" | "callEnded" | "callStage" | "callSilent">;
  readonly log: Log;
  readonly nowMs?: () => number;
}

interface Seen {
  readonly state: CallStateName;
  readonly sinceMs: number;
}

/** Turns what happens to calls into metrics, and into the log lines that the call itself does not write. */
export const createCallObserver = ({ metrics, log, nowMs = Date.now }: CallObserverDeps): CallObserver => {
  const running = new Map<CallId, Seen>();

  const stateLeft = (record: CallRecord): Seen => {
    const seen = running.get(record.callId);
    if (seen !== undefined) return seen;
    metrics.callStarted(record.direction);
    return { state: "routing", sinceMs: record.createdAtMs };
  };

  return {
    transition: (record, _event, trunk) => {
      const left = stateLeft(record);
      const atMs = nowMs();
      if (left.state !== record.state) metrics.callStage(left.state, Math.max(0, atMs - left.sinceMs) / 1000);
      if (record.state === "ended") {
        running.delete(record.callId);
        metrics.callEnded(record.direction, record.outcome ?? "internal", trunk);
      } else if (left.state !== record.state || !running.has(record.callId))
        running.set(record.callId, { state: record.state, sinceMs: atMs });
    },
    audio: (record, fact) => {
      const fields = { callId: record.callId, roomId: record.roomId, number: maskNumber(record.number) };
      const afterAnswerMs = record.answeredAtMs === undefined ? undefined : nowMs() - record.answeredAtMs;
      if (fact.type === "media.silent") {
        metrics.callSilent(fact.direction);
        log.warn({ ...fields, direction: fact.direction }, "no audio at all for 10 s");
      } else log.info({ ...fields, direction: fact.direction, afterAnswerMs }, "audio flows");
    },
  };
};
