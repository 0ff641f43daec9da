import type { CallId, RoomId, TrunkId, UserId } from "../ids.ts";
import type { Outcome } from "./outcome.ts";
import type { CallDirection, CallRecord, MediaFact } from "./ports.ts";

/** What a list of calls is about; all that is given must fit. */
export interface CallFilter {
  readonly roomId?: RoomId;
  /** Who added the phone, or the person of a one-to-one call. */
  readonly userId?: UserId;
  /** Canonical digits. */
  readonly number?: string;
  readonly direction?: CallDirection;
  readonly outcome?: Outcome;
  /** Times of beginning, the first one included, the last one not. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Only what comes behind this call in the list. */
  readonly after?: Pick<CallRecord, "createdAtMs" | "callId">;
  readonly limit: number;
}

export interface CallStore {
  save(record: CallRecord): void;
  /** Calls that were not `ended` when the gateway stopped. */
  loadOpen(): readonly CallRecord[];
  /** Newest first. */
  list(filter: CallFilter): readonly CallRecord[];
  get(call: CallId): CallRecord | undefined;
}

/** What is watched of calls: metrics, log, call trace. Must not throw. */
export interface CallObserver {
  /** The call has entered another state, `record.state`; the event is the one that led there, the trunk the way of its leg. */
  transition(record: CallRecord, event: string, trunk: TrunkId): void;
  audio(record: CallRecord, fact: Extract<MediaFact, { type: "media.flowing" | "media.silent" }>): void;
}
