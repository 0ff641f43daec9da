import { GatewayError } from "../errors.ts";
import { type GhostUserId, ghostUserId, serverOf, userId } from "../ids.ts";
import type { NumberPlan } from "./number-plan.ts";
import { parseNumber } from "./parse.ts";
import { canonicalDigits, type PhoneNumber } from "./phone-number.ts";

/** Localparts of ghosts begin with this; MSC4009 allows the `+` behind it. */
export const GHOST_PREFIX = "tel_";

/** `tel_+33140506070` or `tel_1001`: the one id of a number. */
export const ghostLocalpart = (number: PhoneNumber): string => GHOST_PREFIX + canonicalDigits(number);

export const ghostOf = (number: PhoneNumber, server: string): GhostUserId =>
  ghostUserId(`@${ghostLocalpart(number)}:${server}`);

/** The user of a caller whose number is not to be seen: `@tel_xABCDEFGHIJKL:server`, the same for every call of the number. */
export const maskedGhostOf = (mask: string, server: string): GhostUserId =>
  ghostUserId(`@${GHOST_PREFIX}x${mask}:${server}`);

/** True for the user of a caller whose number is not to be seen. */
export const isMaskedGhost = (ghost: GhostUserId): boolean => ghost.startsWith(`@${GHOST_PREFIX}x`);

/**
 * The number of a localpart in the ghosts' namespace. Throws INVALID_NUMBER when it holds none, and NUMBER_NOT_CANONICAL, naming the right id,
 * when it holds one written in another way: two ids of one number would be two people in a call.
 */
export const parseGhostLocalpart = (localpart: string, plan: NumberPlan, server: string): PhoneNumber => {
  const written = localpart.startsWith(GHOST_PREFIX) ? localpart.slice(GHOST_PREFIX.length) : undefined;
  // Only what a canonical id can consist of, so that no decoration survives in an id; length as in parse.ts.
  if (written === undefined || !/^\+?[0-9]{1,20}$/.test(written)) {
    throw new GatewayError(
      "INVALID_NUMBER",
      `This is not the id of a phone number. Write @${GHOST_PREFIX}, the number with its country code, and :${server}, or an extension in its place.`,
    );
  }
  const number = parseNumber(written, plan);
  if (canonicalDigits(number) !== written) {
    throw new GatewayError("NUMBER_NOT_CANONICAL", `This number has another id: use ${ghostOf(number, server)}`);
  }
  return number;
};

/** The same for a whole user id; undefined when it is not in the ghosts' namespace of this server. */
export const parseGhost = (id: string, plan: NumberPlan, server: string): PhoneNumber | undefined => {
  const user = userId(id);
  if (!id.startsWith(`@${GHOST_PREFIX}`) || serverOf(user) !== server) return undefined;
  return parseGhostLocalpart(id.slice(1, id.indexOf(":")), plan, server);
};
