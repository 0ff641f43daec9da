import { createHash } from "node:crypto";
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import type { CallId } from "../ids.ts";

/** Which request of a token became which call; kept over restarts (store/). */
export interface IdempotencyStore {
  get(tokenName: string, key: string): { readonly requestHash: string; readonly callId: CallId } | undefined;
  save(tokenName: string, key: string, request: { readonly requestHash: string; readonly callId: CallId }): void;
}

/** Printable ASCII, as in draft-ietf-httpapi-idempotency-key-header. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\u0021-\u007E]{1,255}$/, { error: "expected 1 to 255 printable characters without spaces" });

export interface IdempotentRequest {
  readonly tokenName: string;
  readonly key: string;
  /** What was asked for: the same key must not come with anything else. */
  readonly request: unknown;
}

export interface Idempotency {
  /**
   * Runs `start` once per token and key, also when requests come at the same moment. A failure is not remembered: no call came of it, so
   * the same request may be tried again. Rejects with IDEMPOTENCY_KEY_REUSED when the key came with another request.
   */
  once(
    request: IdempotentRequest,
    start: () => Promise<CallId>,
  ): Promise<{ readonly callId: CallId; readonly isRepeat: boolean }>;
}

const hashOf = (request: unknown): string => createHash("sha256").update(JSON.stringify(request)).digest("hex");

export const createIdempotency = (store: IdempotencyStore): Idempotency => {
  const running = new Map<string, { readonly requestHash: string; readonly call: Promise<CallId> }>();

  const checkSame = (known: string, given: string): void => {
    if (known !== given)
      throw new GatewayError(
        "IDEMPOTENCY_KEY_REUSED",
        "This Idempotency-Key came with another request before; use a new one",
      );
  };

  return {
    once: async ({ tokenName, key, request }, start) => {
      const requestHash = hashOf(request);
      const id = JSON.stringify([tokenName, key]);
      const pending = running.get(id);
      if (pending !== undefined) {
        checkSame(pending.requestHash, requestHash);
        return { callId: await pending.call, isRepeat: true };
      }
      const known = store.get(tokenName, key);
      if (known !== undefined) {
        checkSame(known.requestHash, requestHash);
        return { callId: known.callId, isRepeat: true };
      }
      const call = (async () => {
        const callId = await start();
        store.save(tokenName, key, { requestHash, callId });
        return callId;
      })();
      running.set(id, { requestHash, call });
      try {
        return { callId: await call, isRepeat: false };
      } finally {
        running.delete(id);
      }
    },
  };
};
