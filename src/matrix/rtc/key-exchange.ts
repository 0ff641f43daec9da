import { within } from "./within.ts";

/** A member that sends no key (its device is gone, its server is away) must not keep a caller waiting. */
const EXCHANGE_TIMEOUT_MS = 2000;

/** Whether the phone and the members of its call hold each other's media keys. */
export interface KeyExchange {
  /** The own key went out to all members. */
  sent(): void;
  received(identity: string): void;
  /** Resolves when it is complete, or after 2 s. `others`: LiveKit identities of the members. */
  done(others: () => readonly string[]): Promise<void>;
}

export const createKeyExchange = (): KeyExchange => {
  const heldKeys = new Set<string>();
  let isSent = false;
  let check = (): void => {};
  return {
    sent: () => {
      isSent = true;
      check();
    },
    received: (identity) => {
      heldKeys.add(identity);
      check();
    },
    done: async (others) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      check = (): void => {
        const identities = others();
        if (identities.length === 0 || (isSent && identities.every((one) => heldKeys.has(one)))) resolve();
      };
      check();
      await within(promise, EXCHANGE_TIMEOUT_MS, undefined);
    },
  };
};
