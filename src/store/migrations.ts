/**
 * The schema, as numbered steps. A step that was released is never changed: what it lacks comes in the next one.
 * Times are milliseconds since the epoch.
 */
export const MIGRATIONS: readonly string[] = [
  // 1: calls, what the homeserver was told and told us, sealed keys, idempotency keys of the API
  `
  CREATE TABLE calls (
    call_id TEXT PRIMARY KEY,
    leg_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    room_id TEXT NOT NULL,
    ghost TEXT NOT NULL,
    number TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    cause TEXT,
    created_at_ms INTEGER NOT NULL,
    answered_at_ms INTEGER,
    ended_at_ms INTEGER
  ) STRICT;
  CREATE INDEX calls_by_room ON calls (room_id, created_at_ms);
  CREATE INDEX calls_by_time ON calls (created_at_ms);
  CREATE INDEX calls_open ON calls (state) WHERE state <> 'ended';

  CREATE TABLE transactions (position INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE users (user_id TEXT PRIMARY KEY, display_name TEXT NOT NULL, avatar_url TEXT) STRICT;

  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE sealed_identities (user_id TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;

  CREATE TABLE idempotency_keys (
    token_name TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    call_id TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (token_name, key)
  ) STRICT;
  CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at_ms);
  `,
  // 2: what a room may see of an inbound caller
  `ALTER TABLE calls ADD COLUMN name TEXT`,
  // 3: rooms that phones can dial
  `
  CREATE TABLE conferences (
    conference_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    pin_hash TEXT NOT NULL,
    language TEXT
  ) STRICT;
  `,
  // 4: one-to-one calls, and the chats they are in
  `
  ALTER TABLE calls ADD COLUMN person TEXT;
  CREATE INDEX calls_by_person ON calls (person, created_at_ms) WHERE person IS NOT NULL;

  CREATE TABLE chats (
    position INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    ghost TEXT NOT NULL,
    user_id TEXT NOT NULL
  ) STRICT;
  CREATE INDEX chats_by_pair ON chats (ghost, user_id);
  `,
  // 5: calls to a person that went on to somebody else
  `
  ALTER TABLE calls ADD COLUMN forwarded_to TEXT;
  ALTER TABLE calls ADD COLUMN forwarded_from TEXT;
  `,
  // 6: numbers that people have given to users
  `
  CREATE TABLE bindings (
    number TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    name TEXT,
    bound_by TEXT NOT NULL
  ) STRICT;
  CREATE INDEX bindings_by_user ON bindings (user_id);
  `,
];
