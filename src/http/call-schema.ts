/** What the API takes and gives; the OpenAPI document is made from these. */
import { z } from "zod";
import type { CallFilter } from "../calls/call-store.ts";
import type { WaitingPhone } from "../calls/moderation-ports.ts";
import { CONFIRM } from "../calls/voice.ts";
import { OUTCOMES } from "../calls/outcome.ts";
import type { CallRecord, Subject } from "../calls/ports.ts";
import { ERROR_CODES } from "../errors.ts";
import { callId, roomId, userId } from "../ids.ts";
import { canonicalDigits, NUMBER_CLASSES } from "../numbering/phone-number.ts";

const CALL_STATES = ["routing", "alerting", "connecting", "active", "ending", "ended"] as const;

const roomIdSchema = z
  .string()
  .max(255)
  .regex(/^![^\s]+$/, { error: "expected a room id, such as !abc:example.org" });

export const addCallSchema = z.strictObject({
  room_id: roomIdSchema.meta({
    description: "Matrix room with a live call. The bot must be in it, with the power to invite.",
  }),
  number: z.string().min(1).max(64).meta({
    description: "As a person would write it: `+33 1 40 50 60 70`, `01 40 50 60 70`, `1001`.",
    example: "+33140506070",
  }),
  confirm: z.exactOptional(z.enum(CONFIRM)).meta({
    description:
      "`key`: who answers has to press 1 before either side hears the other, so that no voicemail does. Default: `calls.confirm`.",
  }),
});

export const pressKeysSchema = z.strictObject({
  keys: z.string().min(1).max(64).meta({ description: "Digits, `*` and `#`.", example: "123#" }),
});

export const userIdSchema = z
  .string()
  .max(255)
  .regex(/^@[^:\s]*:[^\s]+$/, { error: "expected a Matrix user, such as @alice:example.org" });

const cursorSchema = z.string().regex(/^\d{1,15}\.[\w-]{1,64}$/, { error: "expected `next` of an earlier answer" });

const timeSchema = z.iso.datetime({ offset: true, error: "expected a time, such as 2026-11-21T17:00:00Z" });

export const listCallsSchema = z.strictObject({
  room_id: z.exactOptional(roomIdSchema).meta({ description: "Only calls of this room." }),
  user_id: z
    .exactOptional(userIdSchema)
    .meta({ description: "Only calls that this user made, or one-to-one calls with them." }),
  number: z
    .exactOptional(z.string().min(1).max(64))
    .meta({ description: "Only calls with this number, in canonical form." }),
  direction: z.exactOptional(z.enum(["outbound", "inbound"])).meta({ description: "Only calls in this direction." }),
  outcome: z.exactOptional(z.enum(OUTCOMES)).meta({ description: "Only calls that ended so." }),
  since: z.exactOptional(timeSchema).meta({ description: "Only calls asked for at this time or later." }),
  until: z.exactOptional(timeSchema).meta({ description: "Only calls asked for before this time." }),
  after: z.exactOptional(cursorSchema).meta({ description: "The page behind: `next` of the page before." }),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, { error: "expected a whole number" })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 500, { error: "expected 1 to 500" })
    .prefault("50")
    .meta({ description: "How many at most, 1 to 500." }),
});

const timestamp = (description: string) => z.iso.datetime().meta({ description });

export const callSchema = z.strictObject({
  call_id: z.string(),
  room_id: z.string(),
  user_id: z.string().meta({ description: "Matrix user of the phone." }),
  number: z.string().meta({ description: "Canonical: E.164, an extension, or `anonymous`." }),
  number_class: z.enum([...NUMBER_CLASSES, "anonymous"]),
  name: z.string().nullable().meta({ description: "What the room sees of an inbound caller in place of the number." }),
  person: z.string().nullable().meta({ description: "Matrix user of a one-to-one call; null for a conference." }),
  forwarded_to: z.string().nullable().meta({ description: "The person did not take it: the number it went on to." }),
  forwarded_from: z.string().nullable().meta({
    description:
      "Dialled for this caller, whom the user in `added_by` did not take; in no room. Null for all other calls.",
  }),
  direction: z.enum(["outbound", "inbound"]).meta({ description: "`inbound`: the phone called us." }),
  state: z.enum(CALL_STATES),
  outcome: z.enum(OUTCOMES).nullable().meta({ description: "How it ended; null while it runs." }),
  cause: z
    .strictObject({
      sip_status: z.int().nullable(),
      q850: z.int().nullable(),
      text: z.string().nullable(),
    })
    .nullable()
    .meta({ description: "What the far end said when it ended." }),
  added_by: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("user"), user_id: z.string() }),
    z.strictObject({ type: z.literal("token"), name: z.string() }),
    z
      .strictObject({ type: z.literal("trunk"), name: z.string() })
      .meta({ description: "Nobody: the phone called us." }),
  ]),
  created_at: timestamp("When it was asked for."),
  answered_at: timestamp("When the phone was picked up.").nullable(),
  ended_at: timestamp("When it was over.").nullable(),
});

const waitingSchema = z.strictObject({
  waits_for: z.enum(["moderator", "company"]).meta({
    description: "`moderator`: to be let in, before its call begins; `company`: in its call, for somebody to join.",
  }),
  call_id: z.string().nullable().meta({ description: "Null before its call begins." }),
  room_id: z.string(),
  user_id: callSchema.shape.user_id,
  number: callSchema.shape.number,
  number_class: callSchema.shape.number_class,
  name: callSchema.shape.name,
  since: timestamp("Since when it waits."),
});

export const callListSchema = z.strictObject({
  calls: z.array(callSchema).meta({ description: "Newest first." }),
  waiting: z.array(waitingSchema).meta({
    description:
      "Phones that wait now, of `room_id` or all; other filters and pages leave it as it is. The longest wait first.",
  }),
  next: z.string().nullable().meta({ description: "For `after`, to get the next page; null on the last one." }),
});

/** The query of a list in the words of the domain. One more than asked for is wanted, to know whether there is another page. */
export const callFilterOf = (query: z.output<typeof listCallsSchema>): CallFilter => {
  const { room_id: room, user_id: user, since, until, after, number, direction, outcome, limit } = query;
  const [createdAt = "", id = ""] = after?.split(".") ?? [];
  return {
    limit: limit + 1,
    ...(room === undefined ? {} : { roomId: roomId(room) }),
    ...(user === undefined ? {} : { userId: userId(user) }),
    ...(number === undefined ? {} : { number }),
    ...(direction === undefined ? {} : { direction }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
    ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
    ...(after === undefined ? {} : { after: { createdAtMs: Number(createdAt), callId: callId(id) } }),
  };
};

/** A page of calls as the API shows it. `found` may hold one more than the limit. */
export const callListBody = (
  found: readonly CallRecord[],
  waiting: readonly WaitingPhone[],
  limit: number,
): z.output<typeof callListSchema> => {
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  return {
    calls: page.map(callBody),
    waiting: waiting.map(waitingBody),
    next: last === undefined ? null : `${last.createdAtMs}.${last.callId}`,
  };
};

export const errorSchema = z.strictObject({
  errcode: z.enum(ERROR_CODES).meta({ description: "Stable: programs decide by it." }),
  error: z.string().meta({ description: "For people." }),
});

export type CallBody = z.output<typeof callSchema>;

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

const addedBy = (subject: Subject): CallBody["added_by"] => {
  switch (subject.kind) {
    case "user":
      return { type: "user", user_id: subject.userId };
    case "token":
      return { type: "token", name: subject.name };
    case "trunk":
      return { type: "trunk", name: subject.trunkId };
  }
};

const waitingBody = (phone: WaitingPhone): z.output<typeof waitingSchema> => ({
  waits_for: phone.waitsFor,
  call_id: phone.callId ?? null,
  room_id: phone.roomId,
  user_id: phone.ghost,
  number: canonicalDigits(phone.number),
  number_class: phone.number.class,
  name: phone.name ?? null,
  since: new Date(phone.sinceMs).toISOString(),
});

/** A call as the API shows it. */
export const callBody = (record: CallRecord): CallBody => ({
  call_id: record.callId,
  room_id: record.roomId,
  user_id: record.ghost,
  number: canonicalDigits(record.number),
  number_class: record.number.class,
  name: record.name ?? null,
  person: record.person ?? null,
  forwarded_to: record.forwardedTo === undefined ? null : canonicalDigits(record.forwardedTo),
  forwarded_from: record.forwardedFrom === undefined ? null : canonicalDigits(record.forwardedFrom),
  direction: record.direction,
  state: record.state,
  outcome: record.outcome ?? null,
  cause:
    record.cause === undefined
      ? null
      : {
          sip_status: record.cause.sipStatus ?? null,
          q850: record.cause.q850 ?? null,
          text: record.cause.text ?? null,
        },
  added_by: addedBy(record.subject),
  created_at: new Date(record.createdAtMs).toISOString(),
  answered_at: isoTime(record.answeredAtMs),
  ended_at: isoTime(record.endedAtMs),
});
