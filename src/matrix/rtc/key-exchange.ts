import { within } from "./within.ts";

/** A member that sends no key (its device is gone, its server is away) must not keep a caller waiting. */
const EXCHANGE_TIMEOUT_MS = 2000;

/** Whether the phone and the members of its call hold each other's media keys. */
export interface KeyExchange {
  /** The own key went out to all members. */
  sent(): void;
  received(identity: string): void;
  /** Whether one of this member has come here. */
  holds(identity: string): boolean;
  /** All members at present. Who has left comes back with another key. */
  setMembers(identities: readonly string[]): void;
  /** Who can be heard at the SFU at present, if anybody says so: nobody else's key is awaited. */
  setSpeakers(identities: readonly string[]): void;
  /** Resolves when it is complete, or after 2 s. `others`: LiveKit identities of the members. */
  done(others: () => readonly string[]): Promise<void>;
}

/** `isHeldInRoom`: another phone of the room has a member's key, and with it the media worker. */
export const createKeyExchange = (isHeldInRoom: (identity: string) => boolean): KeyExchange => {
  const heldKeys = new Set<string>();
  let members: readonly string[] = [];
  let speakers: ReadonlySet<string> | undefined;
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
    holds: (identity) => heldKeys.has(identity),
    setMembers: (identities) => {
      for (const identity of members) if (!identities.includes(identity)) heldKeys.delete(identity);
      members = identities;
    },
    setSpeakers: (identities) => {
      speakers = new Set(identities);
      check();
    },
    done: async (others) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      check = (): void => {
        const identities = others();
        const isReady = (one: string): boolean =>
          heldKeys.has(one) || speakers?.has(one) === false || isHeldInRoom(one);
        if (identities.length === 0 || (isSent && identities.every(isReady))) resolve();
      };
      check();
      await within(promise, EXCHANGE_TIMEOUT_MS, undefined);
    },
  };
};
