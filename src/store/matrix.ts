/** What the Matrix side keeps: transactions taken, users made, sealed cross-signing keys. Shapes as src/matrix declares them. */
import type { DatabaseSync } from "node:sqlite";
import type { GhostUserId, UserId } from "../ids.ts";

/** A homeserver repeats only its newest transaction; so many are kept for one that was set back to a backup. */
const KEPT_TRANSACTIONS = 10_000;

export interface TransactionLog {
  has(id: string): boolean;
  add(id: string): void;
}

export const createTransactionLog = (database: DatabaseSync, kept = KEPT_TRANSACTIONS): TransactionLog => {
  const has = database.prepare("SELECT 1 FROM transactions WHERE transaction_id = ?");
  const add = database.prepare("INSERT OR IGNORE INTO transactions (transaction_id) VALUES (?)");
  const prune = database.prepare("DELETE FROM transactions WHERE position <= ?");
  return {
    has: (id) => has.get(id) !== undefined,
    add: (id) => {
      const { lastInsertRowid } = add.run(id);
      prune.run(Number(lastInsertRowid) - kept);
    },
  };
};

export interface UserProfile {
  readonly displayName: string;
  readonly avatarUrl?: string;
}

export interface GhostStore {
  get(user: UserId): UserProfile | undefined;
  put(user: UserId, profile: UserProfile): void;
  getAvatarUrl(): string | undefined;
  setAvatarUrl(mxc: string): void;
}

export const createGhostStore = (database: DatabaseSync): GhostStore => {
  const get = database.prepare("SELECT display_name, avatar_url FROM users WHERE user_id = ?");
  const put = database.prepare("INSERT OR REPLACE INTO users (user_id, display_name, avatar_url) VALUES (?, ?, ?)");
  const getSetting = database.prepare("SELECT value FROM settings WHERE name = 'avatar_url'");
  const putSetting = database.prepare("INSERT OR REPLACE INTO settings (name, value) VALUES ('avatar_url', ?)");
  return {
    get: (user) => {
      const row = get.get(user);
      if (row === undefined) return undefined;
      const { display_name: displayName, avatar_url: avatarUrl } = row;
      return { displayName: String(displayName), ...(avatarUrl === null ? {} : { avatarUrl: String(avatarUrl) }) };
    },
    put: (user, profile) => {
      put.run(user, profile.displayName, profile.avatarUrl ?? null);
    },
    getAvatarUrl: () => {
      const value = getSetting.get()?.["value"];
      return typeof value === "string" ? value : undefined;
    },
    setAvatarUrl: (mxc) => {
      putSetting.run(mxc);
    },
  };
};

/** Sealed before they come here: without the key file the store tells nothing. */
export interface GhostIdentityStore {
  load(ghost: GhostUserId): Uint8Array | undefined;
  save(ghost: GhostUserId, sealed: Uint8Array): void;
}

export const createGhostIdentityStore = (database: DatabaseSync): GhostIdentityStore => {
  const load = database.prepare("SELECT sealed FROM sealed_identities WHERE user_id = ?");
  const save = database.prepare("INSERT OR REPLACE INTO sealed_identities (user_id, sealed) VALUES (?, ?)");
  return {
    load: (ghost) => {
      const sealed = load.get(ghost)?.["sealed"];
      return sealed instanceof Uint8Array ? sealed : undefined;
    },
    save: (ghost, sealed) => {
      save.run(ghost, sealed);
    },
  };
};
