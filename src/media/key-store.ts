import type { MediaKey } from "../calls/ports.ts";

/** Per member: the newest ones, enough for what is still on its way after a rotation. */
const KEYS_PER_MEMBER = 4;
/** Calls whose keys are kept; beyond it the oldest is forgotten (a call that never joined nor left). */
const MAX_CALLS = 1000;

/**
 * Media keys of calls, in the gateway's memory only: for keys that come before the call joined, and for a call that joins again
 * after its worker died.
 */
export interface KeyStore {
  add(callId: string, key: MediaKey): void;
  /** Oldest first, so that of the own keys the newest is applied last. */
  of(callId: string): readonly MediaKey[];
  drop(callId: string): void;
}

export const createKeyStore = (): KeyStore => {
  const calls = new Map<string, MediaKey[]>();
  return {
    add(callId, key) {
      const known = calls.get(callId) ?? [];
      const others = known.filter((old) => old.identity !== key.identity || old.index !== key.index);
      const same = others.filter((old) => old.identity === key.identity);
      const tooOld = same.length >= KEYS_PER_MEMBER ? same[0] : undefined;
      calls.set(callId, [...others.filter((old) => old !== tooOld), key]);
      if (calls.size > MAX_CALLS) calls.delete(calls.keys().next().value!);
    },
    of: (callId) => calls.get(callId) ?? [],
    drop(callId) {
      calls.delete(callId);
    },
  };
};
