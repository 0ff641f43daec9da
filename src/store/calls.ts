import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { CallFilter, CallStore } from "../calls/call-store.ts";
import { OUTCOMES } from "../calls/outcome.ts";
import type { CallRecord } from "../calls/ports.ts";
import { type E164, type Extension, callId, ghostUserId, legId, roomId, trunkId, userId } from "../ids.ts";

const number = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("e164"),
    e164: z.string().transform((text) => text as E164),
    class: z.enum(["national", "international", "premium"]),
    country: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("extension"),
    extension: z.string().transform((text) => text as Extension),
    class: z.literal("internal"),
  }),
  z.object({
    kind: z.literal("short"),
    digits: z.string(),
    class: z.enum(["emergency", "short-code"]),
    country: z.string(),
  }),
  z.object({ kind: z.literal("anonymous"), class: z.literal("anonymous") }),
]);

const subject = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("user"), userId: z.string().transform(userId) }),
  z.object({ kind: z.literal("token"), name: z.string() }),
  z.object({ kind: z.literal("trunk"), trunkId: z.string().transform(trunkId) }),
]);

const cause = z.object({
  sipStatus: z.exactOptional(z.number()),
  q850: z.exactOptional(z.number()),
  text: z.exactOptional(z.string()),
});

const json = z.string().transform((text): unknown => JSON.parse(text));

const row = z.object({
  call_id: z.string().transform(callId),
  leg_id: z.string().transform(legId),
  direction: z.enum(["outbound", "inbound"]),
  room_id: z.string().transform(roomId),
  ghost: z.string().transform(ghostUserId),
  number: json.pipe(number),
  subject: json.pipe(subject),
  state: z.enum(["routing", "alerting", "connecting", "active", "ending", "ended"]),
  outcome: z.enum(OUTCOMES).nullable(),
  cause: json.pipe(cause).nullable(),
  created_at_ms: z.number(),
  answered_at_ms: z.number().nullable(),
  ended_at_ms: z.number().nullable(),
  name: z.string().nullable(),
  person: z.string().transform(userId).nullable(),
  forwarded_to: json.pipe(number).nullable(),
  forwarded_from: json.pipe(number).nullable(),
});

const recordOf = (value: unknown): CallRecord => {
  const call = row.parse(value);
  return {
    callId: call.call_id,
    legId: call.leg_id,
    direction: call.direction,
    roomId: call.room_id,
    ghost: call.ghost,
    number: call.number,
    subject: call.subject,
    state: call.state,
    createdAtMs: call.created_at_ms,
    ...(call.person === null ? {} : { person: call.person }),
    ...(call.name === null ? {} : { name: call.name }),
    ...(call.forwarded_to === null ? {} : { forwardedTo: call.forwarded_to }),
    ...(call.forwarded_from === null ? {} : { forwardedFrom: call.forwarded_from }),
    ...(call.outcome === null ? {} : { outcome: call.outcome }),
    ...(call.cause === null ? {} : { cause: call.cause }),
    ...(call.answered_at_ms === null ? {} : { answeredAtMs: call.answered_at_ms }),
    ...(call.ended_at_ms === null ? {} : { endedAtMs: call.ended_at_ms }),
  };
};

/** Calls as the domain sees them, and what is done with old ones. */
export interface StoredCalls extends CallStore {
  /** Forgets calls that ended before this moment. */
  forget(endedBeforeMs: number): void;
}

/** A condition with a `?` for each of its values. */
type Condition = readonly [sql: string, ...values: (string | number)[]];

const DIGITS = "coalesce(number ->> 'e164', number ->> 'extension', number ->> 'digits', number ->> 'kind')";

const conditionsOf = (filter: CallFilter): readonly Condition[] => {
  const { roomId, userId, number, direction, outcome, sinceMs, untilMs, after } = filter;
  const conditions: (Condition | undefined)[] = [
    roomId === undefined ? undefined : ["room_id = ?", roomId],
    userId === undefined ? undefined : ["(person = ? OR subject ->> 'userId' = ?)", userId, userId],
    number === undefined ? undefined : [`${DIGITS} = ?`, number],
    direction === undefined ? undefined : ["direction = ?", direction],
    outcome === undefined ? undefined : ["outcome = ?", outcome],
    sinceMs === undefined ? undefined : ["created_at_ms >= ?", sinceMs],
    untilMs === undefined ? undefined : ["created_at_ms < ?", untilMs],
    after === undefined ? undefined : ["(created_at_ms, call_id) < (?, ?)", after.createdAtMs, after.callId],
  ];
  return conditions.flatMap((condition) => (condition === undefined ? [] : [condition]));
};

const jsonOf = (value: object | undefined): string | null => (value === undefined ? null : JSON.stringify(value));

/** Calls, running and ended. Numbers are kept in clear: the history of calls is made of them. */
export const createCallStore = (database: DatabaseSync): StoredCalls => {
  const save = database.prepare(`
    INSERT INTO calls VALUES (
      :callId, :legId, :direction, :roomId, :ghost, :number, :subject, :state, :outcome, :cause, :createdAtMs, :answeredAtMs, :endedAtMs, :name, :person,
      :forwardedTo, :forwardedFrom
    ) ON CONFLICT (call_id) DO UPDATE SET
      leg_id = excluded.leg_id, state = excluded.state, outcome = excluded.outcome, cause = excluded.cause,
      answered_at_ms = excluded.answered_at_ms, ended_at_ms = excluded.ended_at_ms, forwarded_to = excluded.forwarded_to`);
  const open = database.prepare("SELECT * FROM calls WHERE state <> 'ended' ORDER BY created_at_ms, rowid");
  const forget = database.prepare("DELETE FROM calls WHERE state = 'ended' AND ended_at_ms < ?");
  const one = database.prepare("SELECT * FROM calls WHERE call_id = ?");
  return {
    save: (record) => {
      save.run({
        callId: record.callId,
        legId: record.legId,
        direction: record.direction,
        roomId: record.roomId,
        ghost: record.ghost,
        number: JSON.stringify(record.number),
        subject: JSON.stringify(record.subject),
        state: record.state,
        outcome: record.outcome ?? null,
        cause: jsonOf(record.cause),
        createdAtMs: record.createdAtMs,
        answeredAtMs: record.answeredAtMs ?? null,
        endedAtMs: record.endedAtMs ?? null,
        name: record.name ?? null,
        person: record.person ?? null,
        forwardedTo: jsonOf(record.forwardedTo),
        forwardedFrom: jsonOf(record.forwardedFrom),
      });
    },
    loadOpen: () => open.all().map(recordOf),
    list: (filter) => {
      const conditions = conditionsOf(filter);
      const where = conditions.length === 0 ? "" : `WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
      const values = conditions.flatMap(([, ...given]) => given);
      const query = `SELECT * FROM calls ${where} ORDER BY created_at_ms DESC, call_id DESC LIMIT ?`;
      return database
        .prepare(query)
        .all(...values, filter.limit)
        .map(recordOf);
    },
    forget: (endedBeforeMs) => {
      forget.run(endedBeforeMs);
    },
    get: (call) => {
      const found = one.get(call);
      return found === undefined ? undefined : recordOf(found);
    },
  };
};
