import type { RoomId } from "../ids.ts";
import type { Clock } from "../clock.ts";
import type { ConferenceStore } from "./conference.ts";
import type { Language } from "../numbering/language.ts";
import type { PinDefence } from "./pin-defence.ts";
import type { PinHasher } from "./pin-hash.ts";

/** Where a caller goes whose PIN is right. */
export interface Admission {
  readonly roomId: RoomId;
  readonly language?: Language;
}

export interface PinQuestion {
  /** Digits as the caller typed them. */
  readonly conference: string;
  /** Secret: in no log, error or trace. */
  readonly pin: string;
  /** What tells callers apart; undefined for those without a number. */
  readonly caller: string | undefined;
  /** Called at once when the answer is delayed for longer than a caller waits in silence. */
  readonly onDelay?: () => void;
}

export interface PinCheckDeps {
  readonly conferences: Pick<ConferenceStore, "byId">;
  readonly hasher: Pick<PinHasher, "verify">;
  readonly defence: PinDefence;
  readonly clock: Clock;
}

/** Waits that a caller takes for a pause. */
const NOTICED_DELAY_MS = 1500;

const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });

/**
 * Checks a PIN. A wrong PIN and a room number that does not exist are told apart neither by the answer nor by the time it takes. Resolves
 * with undefined for both; rejects only when the gateway itself fails (a hash that cannot be read).
 */
export const createPinCheck =
  ({ conferences, hasher, defence, clock }: PinCheckDeps) =>
  async ({ conference, pin, caller, onDelay }: PinQuestion): Promise<Admission | undefined> => {
    const attempt = defence.begin(caller, conference);
    let isRight = false;
    try {
      if (attempt.delayMs >= NOTICED_DELAY_MS) onDelay?.();
      if (attempt.delayMs > 0) await sleep(clock, attempt.delayMs);
      // Looked up after the wait: the PIN may have been changed meanwhile.
      const known = conferences.byId(conference);
      isRight = await hasher.verify(pin, known?.pinHash);
      if (!isRight || known === undefined) return undefined;
      return { roomId: known.roomId, ...(known.language === undefined ? {} : { language: known.language }) };
    } finally {
      attempt.settle(isRight);
    }
  };

export type PinCheck = ReturnType<typeof createPinCheck>;
