import { z } from "zod";

/** A room event as a transaction brings it; fields that are not used are left out. */
const eventSchema = z.object({
  type: z.string(),
  event_id: z.string(),
  room_id: z.string(),
  sender: z.string(),
  state_key: z.string().optional(),
  content: z.record(z.string(), z.unknown()),
  // Milliseconds, as our homeserver counts them: its clock and ours need not agree.
  unsigned: z
    .object({ age: z.number().min(0) })
    .optional()
    .catch(undefined),
});

export interface AppserviceEvent {
  readonly type: string;
  readonly eventId: string;
  readonly roomId: string;
  readonly sender: string;
  readonly stateKey?: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** How old it was when the homeserver sent it; 0 where it does not say. */
  readonly ageMs: number;
}

const transactionSchema = z.object({ events: z.array(z.unknown()).catch([]) }).catch({ events: [] });

/**
 * The events of a transaction. What is malformed is counted and left out: an error would make the homeserver send the same transaction
 * for ever, and everything behind it would wait.
 */
export const parseTransaction = (body: unknown): { events: readonly AppserviceEvent[]; malformed: number } => {
  const all = transactionSchema.parse(body).events;
  const events = all.flatMap((raw): AppserviceEvent[] => {
    const event = eventSchema.safeParse(raw).data;
    if (event === undefined) return [];
    const { type, sender, content, event_id: eventId, room_id: roomId, state_key: stateKey } = event;
    const ageMs = event.unsigned?.age ?? 0;
    return [{ type, eventId, roomId, sender, content, ageMs, ...(stateKey === undefined ? {} : { stateKey }) }];
  });
  return { events, malformed: all.length - events.length };
};
