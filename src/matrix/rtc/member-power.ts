import { z } from "zod";
import { MEMBER_STATE_EVENT } from "./member-events.ts";

const level = z.coerce.number().catch(Number.NaN);
const powerSchema = z.object({
  users: z.record(z.string(), level).optional(),
  users_default: level.optional(),
  events: z.record(z.string(), level).optional(),
  state_default: level.optional(),
});

/** Default of `state_default` when the room has power levels (specification, m.room.power_levels). */
const STATE_DEFAULT = 50;

/** Power needed to write the member event, and what `user` has, from the content of `m.room.power_levels` (undefined: no such event). */
export const memberEventPower = (content: unknown, user: string): { readonly needed: number; readonly has: number } => {
  const parsed = powerSchema.safeParse(content);
  if (content === undefined || !parsed.success) return { needed: 0, has: 0 };
  const { users, users_default: usersDefault, events, state_default: stateDefault } = parsed.data;
  return {
    needed: events?.[MEMBER_STATE_EVENT] ?? stateDefault ?? STATE_DEFAULT,
    has: users?.[user] ?? usersDefault ?? 0,
  };
};
