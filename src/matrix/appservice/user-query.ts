import { parseGhost } from "../../numbering/ghost-id.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";

/**
 * Whether a user id is the canonical one of a number, for `GET /users/:userId`.
 *
 * The user is not created here. Synapse 1.163 asks this only before it pushes an event that names an unknown user, ignores the answer, and
 * does not say who wrote the event; creating would make users for strangers. Ghosts are made when the permission of their inviter is known.
 */
export const createUserQuery =
  ({ numberPlan, serverName }: { readonly numberPlan: NumberPlan; readonly serverName: string }) =>
  (user: string): boolean => {
    try {
      return parseGhost(user, numberPlan, serverName) !== undefined;
    } catch {
      return false;
    }
  };
