import { z } from "zod";
import { MEMBER_STATE_EVENT } from "./member-events.ts";

const eventSchema = z.looseObject({
  type: z.string().optional(),
  sender: z.string().optional(),
  state_key: z.string().optional(),
});
const eventsSchema = z.looseObject({ events: z.array(eventSchema) }).optional();
/** What holds the events of a joined room, with the unstable name of MSC4222. */
const roomSchema = z.looseObject({
  timeline: eventsSchema,
  state: eventsSchema,
  state_after: eventsSchema,
  "org.matrix.msc4222.state_after": eventsSchema,
});
const syncSchema = z.looseObject({
  device_one_time_keys_count: z.looseObject({ signed_curve25519: z.number().optional() }).optional(),
  rooms: z.looseObject({ join: z.record(z.string(), roomSchema).optional() }).optional(),
});
const PARTS = ["timeline", "state", "state_after", "org.matrix.msc4222.state_after"] as const;

/** What the SDK keeps on the homeserver: it uploads another one for each that was used. */
const ALL_ONE_TIME_KEYS = 50;
/** As many as a call's device will ever need. */
const ENOUGH_ONE_TIME_KEYS = 25;

type Sync = z.infer<typeof syncSchema>;
type Event = z.infer<typeof eventSchema>;

/** Of whom a member event speaks; undefined for all other events. */
const subjectOf = ({ type, sender, state_key: key }: Event): string | undefined => {
  if (type === "m.room.member") return key;
  // By its sender: what somebody else wrote in the name of a phone is to be seen, and told.
  return type === MEMBER_STATE_EVENT ? sender : undefined;
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const hideEvents = ({ rooms }: Sync, isHidden: (user: string) => boolean): void => {
  for (const room of Object.values(rooms?.join ?? {})) {
    for (const part of PARTS) {
      const holder = room[part];
      if (holder !== undefined) holder.events = holder.events.filter((event) => !isHidden(subjectOf(event) ?? ""));
    }
  }
};

const roundUpKeys = ({ device_one_time_keys_count: count }: Sync): void => {
  if (count?.signed_curve25519 === undefined || count.signed_curve25519 < ENOUGH_ONE_TIME_KEYS) return;
  count.signed_curve25519 = Math.max(count.signed_curve25519, ALL_ONE_TIME_KEYS);
};

const trimmed = (text: string, isHidden: (user: string) => boolean): string | undefined => {
  const sync = syncSchema.safeParse(parseJson(text)).data;
  if (sync === undefined) return undefined;
  hideEvents(sync, isHidden);
  roundUpKeys(sync);
  return JSON.stringify(sync);
};

/**
 * `fetchFn` that leaves the member events of hidden users out of `/sync` answers. Ghosts need nothing of each other: with N phones in a room,
 * each client would keep N memberships and N members, and work through each change of them. One-time keys are said to be complete while there
 * are enough of them. An answer that is not understood passes unchanged.
 */
export const trimSync =
  (fetchFn: typeof globalThis.fetch, isHidden: (user: string) => boolean): typeof globalThis.fetch =>
  async (input, init) => {
    const response = await fetchFn(input, init);
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    if (!response.ok || !pathname.endsWith("/sync")) return response;
    const text = await response.text();
    return new Response(trimmed(text, isHidden) ?? text, { status: response.status, headers: response.headers });
  };
