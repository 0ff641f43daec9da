import { z } from "zod";

/** Powers of a room: what users have and what things need (specification, m.room.power_levels). */
export interface PowerLevels {
  of(user: string): number;
  readonly toInvite: number;
  readonly toKick: number;
  toSendState(type: string): number;
}

// Integers written as strings are allowed up to room version 9.
const level = z.union([
  z.int(),
  z
    .string()
    .regex(/^\s*-?\d+\s*$/)
    .transform(Number),
]);
const levels = z.record(z.string(), level);

const contentSchema = z.object({
  users: levels.optional(),
  users_default: level.optional(),
  events: levels.optional(),
  state_default: level.optional(),
  invite: level.optional(),
  kick: level.optional(),
});

const createSchema = z.object({
  room_version: z.string().optional(),
  additional_creators: z.array(z.string()).optional().catch(undefined),
});

/** From room version 12 on creators stand above every level and are not listed in `users` (MSC4289). */
const creatorsRule = (version: string): "above all" | "100 without levels" =>
  Number(version) >= 12 || version.startsWith("org.matrix.hydra") ? "above all" : "100 without levels";

/**
 * @param content of `m.room.power_levels`; undefined when the room has none, then everything needs 0 but kicking.
 * @param create the `m.room.create` event.
 */
export const readPowerLevels = (
  content: unknown,
  create: { readonly sender: string; readonly content: unknown },
): PowerLevels => {
  const { room_version: version = "1", additional_creators: additional = [] } =
    createSchema.safeParse(create.content).data ?? {};
  const creatorsAboveAll = creatorsRule(version) === "above all";
  const creators = new Set(creatorsAboveAll ? [create.sender, ...additional] : [create.sender]);
  // A homeserver lets no broken content in; should one appear, nobody but the creators has power.
  const parsed = content === undefined ? undefined : (contentSchema.safeParse(content).data ?? {});
  return {
    of: (user) => {
      if (creatorsAboveAll && creators.has(user)) return Number.POSITIVE_INFINITY;
      if (parsed === undefined) return creators.has(user) ? 100 : 0;
      return parsed.users?.[user] ?? parsed.users_default ?? 0;
    },
    toInvite: parsed?.invite ?? 0,
    toKick: parsed?.kick ?? 50,
    toSendState: (type) => (parsed === undefined ? 0 : (parsed.events?.[type] ?? parsed.state_default ?? 50)),
  };
};
