import type { RoomLocks } from "../calls/moderation-ports.ts";
import type { ConferenceStore } from "../dialin/conference.ts";
import { createCallStore, type StoredCalls } from "./calls.ts";
import { createConferenceStore } from "./conferences.ts";
import type { ChatStore } from "../personal/chat.ts";
import type { BindingStore } from "../directory/bindings.ts";
import { createBindingStore } from "./bindings.ts";
import { createChatStore } from "./chats.ts";
import { openDatabase } from "./database.ts";
import { createRoomLocks } from "./locks.ts";
import { createIdempotencyStore, type IdempotencyStore } from "./idempotency.ts";
import {
  createGhostIdentityStore,
  createGhostStore,
  createTransactionLog,
  type GhostIdentityStore,
  type GhostStore,
  type TransactionLog,
} from "./matrix.ts";

/** Everything that must survive a restart. All calls are synchronous and take well below a millisecond. */
export interface Store {
  readonly calls: StoredCalls;
  readonly transactions: TransactionLog;
  readonly ghosts: GhostStore;
  readonly identities: GhostIdentityStore;
  readonly idempotency: IdempotencyStore;
  readonly conferences: ConferenceStore;
  readonly locks: RoomLocks;
  readonly chats: ChatStore;
  readonly bindings: BindingStore;
  /** Nothing may be called after this. */
  close(): void;
}

/** Opens the store at `path` (`:memory:` for tests) and brings its schema up to date. Throws GatewayError CONFIG_INVALID. */
export const openStore = ({
  path,
  nowMs = Date.now,
}: {
  readonly path: string;
  readonly nowMs?: () => number;
}): Store => {
  const database = openDatabase(path);
  return {
    calls: createCallStore(database),
    transactions: createTransactionLog(database),
    ghosts: createGhostStore(database),
    identities: createGhostIdentityStore(database),
    idempotency: createIdempotencyStore(database, nowMs),
    conferences: createConferenceStore(database),
    locks: createRoomLocks(database),
    chats: createChatStore(database),
    bindings: createBindingStore(database),
    close: () => database.close(),
  };
};
