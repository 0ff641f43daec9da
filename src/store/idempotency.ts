import type { DatabaseSync } from "node:sqlite";
import { type CallId, callId } from "../ids.ts";

/** A program that repeats a request does so within seconds; a day covers queues that stood still over night. */
const KEPT_MS = 24 * 3_600_000;

export interface RememberedRequest {
  readonly requestHash: string;
  readonly callId: CallId;
}

/** `Idempotency-Key` of the API: which request of a token became which call. Shape as src/http declares it. */
export interface IdempotencyStore {
  get(tokenName: string, key: string): RememberedRequest | undefined;
  save(tokenName: string, key: string, request: RememberedRequest): void;
}

export const createIdempotencyStore = (database: DatabaseSync, nowMs: () => number): IdempotencyStore => {
  const get = database.prepare(
    "SELECT request_hash, call_id FROM idempotency_keys WHERE token_name = ? AND key = ? AND created_at_ms > ?",
  );
  const save = database.prepare("INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?)");
  const prune = database.prepare("DELETE FROM idempotency_keys WHERE created_at_ms <= ?");
  return {
    get: (tokenName, key) => {
      const row = get.get(tokenName, key, nowMs() - KEPT_MS);
      if (row === undefined) return undefined;
      return { requestHash: String(row["request_hash"]), callId: callId(String(row["call_id"])) };
    },
    save: (tokenName, key, request) => {
      prune.run(nowMs() - KEPT_MS);
      save.run(tokenName, key, request.requestHash, request.callId, nowMs());
    },
  };
};
