import { MatrixError as SdkMatrixError, type Room } from "matrix-js-sdk";
import { GatewayError } from "../../errors.ts";
import type { GhostUserId } from "../../ids.ts";
import { readPowerLevels } from "../room/power-levels.ts";
import { judgeMemberEvent, MEMBER_STATE_EVENT } from "./member-events.ts";

export interface CreateEvent {
  readonly sender: string;
  readonly content: unknown;
}

/**
 * Rejects with ROOM_UPGRADED or GHOST_LACKS_POWER when the ghost cannot be a member of a call in this room. `fetchCreate`: a /sync that is
 * filtered by room lacks the `m.room.create` of room version 12 (Synapse 1.163: the event itself has no `room_id`), which says who stands
 * above all levels.
 */
export const checkUsableRoom = async (
  room: Room,
  ghost: GhostUserId,
  fetchCreate: () => Promise<CreateEvent>,
): Promise<void> => {
  const state = room.currentState;
  if (state.getStateEvents("m.room.tombstone", "") !== null) {
    throw new GatewayError("ROOM_UPGRADED", "This room was replaced by a newer one: add the phone there");
  }
  const create = state.getStateEvents("m.room.create", "");
  const powersWith = (event: CreateEvent) =>
    readPowerLevels(state.getStateEvents("m.room.power_levels", "")?.getContent(), event);
  const powers = powersWith({ sender: create?.getSender() ?? "", content: create?.getContent() });
  const needed = powers.toSendState(MEMBER_STATE_EVENT);
  if (powers.of(ghost) >= needed) return;
  const has = create === null ? powersWith(await fetchCreate()).of(ghost) : powers.of(ghost);
  if (has >= needed) return;
  throw new GatewayError(
    "GHOST_LACKS_POWER",
    `Members of this room need power level ${needed} to take part in calls (event ${MEMBER_STATE_EVENT}), and the phone has ${has}: ` +
      `a moderator can lower it in the room's settings for calls`,
  );
};

/** Memberships that a crashed session of this ghost left in the room. */
export const hasStaleMembership = (room: Room, ghost: GhostUserId): boolean =>
  room.currentState
    .getStateEvents(MEMBER_STATE_EVENT)
    .some(
      (event) =>
        event.getSender() === ghost &&
        judgeMemberEvent({ sender: ghost, stateKey: event.getStateKey(), content: event.getContent() }) === "member",
    );

/** Status of the answer that made js-sdk's membership manager give up: in a cause, or only in the words of its error. */
const statusOf = (error: unknown): number | undefined => {
  let current = error;
  while (current instanceof Error) {
    if (current instanceof SdkMatrixError) return current.httpStatus;
    const status = /\[(\d{3})\]/.exec(current.message)?.[1];
    if (status !== undefined) return Number(status);
    current = current.cause;
  }
  return undefined;
};

/** Why js-sdk's membership manager gave up. Its own message is not passed on: it holds the ghost's id, which is a phone number. */
export const membershipRefused = (error: unknown): GatewayError => {
  const status = statusOf(error);
  if (status === undefined) {
    return new GatewayError("HOMESERVER_UNAVAILABLE", "The homeserver did not answer for minutes", { retryable: true });
  }
  if (status === 403) {
    return new GatewayError("GHOST_LACKS_POWER", "The homeserver refused the phone's membership of the call (403)");
  }
  return new GatewayError(
    "HOMESERVER_REFUSED",
    `The homeserver refused the phone's membership of the call (${status})`,
  );
};
