import type { DoorPort } from "../../calls/moderation-ports.ts";
import type { GhostUserId, RoomId, UserId } from "../../ids.ts";
import { type Homeserver, matrixPath } from "../homeserver.ts";
import { readPowerLevels } from "../room/power-levels.ts";
import type { RoomState } from "../room/room-state.ts";
import { inviteGhost } from "./invite-ghost.ts";
import type { Membership } from "./membership.ts";
import type { Users } from "./users.ts";

export interface DoorDeps {
  readonly homeserver: Homeserver;
  readonly botUserId: UserId;
  /** As the bot has synced it; undefined where it is not. */
  readonly stateOf: (room: RoomId) => RoomState | undefined;
  readonly users: Pick<Users, "ensure">;
  readonly membership: Pick<Membership, "leave">;
  /** Sends a notice as the bot; resolves with its event id, or undefined where the bot is not. */
  readonly say: (room: RoomId, text: string) => Promise<string | undefined>;
}

/** Rooms that can be knocked at (MSC2403, MSC3787). */
const KNOCK_RULES: ReadonlySet<unknown> = new Set(["knock", "knock_restricted"]);

const announcement = (name: string): string =>
  `${name} asks to join this call by phone. Moderators: answer this message with \u2705 or write !phone admit ${name}; \u274c or !phone refuse ${name} sends it away.`;

export const createDoor = (deps: DoorDeps): DoorPort => {
  const { homeserver, botUserId } = deps;
  return {
    wayInto: (room, ghost) => {
      const state = deps.stateOf(room);
      const create = state?.event("m.room.create", "");
      if (state === undefined || create === undefined) return "open";
      const membership = state.event("m.room.member", ghost)?.content["membership"];
      if (membership === "ban") return "closed";
      const power = readPowerLevels(state.event("m.room.power_levels", "")?.content, create);
      if (power.of(botUserId) >= power.toInvite) return "open";
      // A ghost that left a moment ago may still look joined.
      if (membership === "invite") return "open";
      return KNOCK_RULES.has(state.event("m.room.join_rules", "")?.content["join_rule"]) ? "knock" : "open";
    },
    knock: async (room, ghost, displayName) => {
      await deps.users.ensure(ghost, displayName);
      const path = matrixPath("client/v3", "knock", room);
      await homeserver.request({ method: "POST", path, body: {}, as: { userId: ghost } });
    },
    withdraw: (room: RoomId, ghost: GhostUserId) => deps.membership.leave(ghost, room),
    invite: (room, ghost) => inviteGhost(homeserver, botUserId, room, ghost),
    announce: (room, { name }) => deps.say(room, announcement(name)),
  };
};
