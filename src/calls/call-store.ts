import type { CallId, RoomId } from "../ids.ts";
import type { CallRecord, MediaFact } from "./ports.ts";

export interface CallStore {
  save(record: CallRecord): void;
  /** Calls that were not `ended` when the gateway stopped. */
  loadOpen(): readonly CallRecord[];
  /** Newest first. */
  list(filter: { readonly roomId?: RoomId; readonly limit: number }): readonly CallRecord[];
  get(call: CallId): CallRecord | undefined;
}

/** What is watched of calls: metrics, log, call trace. Must not throw. */
export interface CallObserver {
  /** The call has entered another state, `record.state`; the event is the one that led there. */
  transition(record: CallRecord, event: string): void;
  audio(record: CallRecord, fact: Extract<MediaFact, { type: "media.flowing" | "media.silent" }>): void;
}
