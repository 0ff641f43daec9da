import type { ConferenceMember, RoomView } from "../../calls/ports.ts";
import { roomId as toRoomId, type RoomId, type UserId } from "../../ids.ts";
import { MEMBER_STATE_EVENT } from "../rtc/member-events.ts";
import { CALL_SLOT, readCallMembers, SLOT_EVENT, type CallMembers } from "./call-members.ts";
import { readPowerLevels } from "./power-levels.ts";
import type { RoomState } from "./room-state.ts";

export interface ViewContext {
  readonly roomId: RoomId;
  readonly botUserId: UserId;
  /** Whose power to write the member event is wanted; a user nobody knows has the default one. */
  readonly ghost: string;
  readonly isGhost: (user: string) => boolean;
  readonly nowMs: number;
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

export const callMembersOf = (state: RoomState, nowMs: number): CallMembers =>
  readCallMembers(state.memberEvents(), {
    isJoined: (user) => state.isJoined(user),
    slot: state.event(SLOT_EVENT, CALL_SLOT)?.content,
    nowMs,
  });

export const viewOf = (state: RoomState, context: ViewContext): RoomView => {
  const { botUserId } = context;
  const create = state.event("m.room.create", "") ?? { sender: "", content: {} };
  const power = readPowerLevels(state.event("m.room.power_levels", "")?.content, create);
  const name = textOf(state.event("m.room.name", "")?.content["name"]);
  const replacedBy = textOf(state.event("m.room.tombstone", "")?.content["replacement_room"]);
  const botJoined = state.isJoined(botUserId);
  const conference = callMembersOf(state, context.nowMs).members.map(({ userId }): ConferenceMember => ({
    userId,
    isPhone: context.isGhost(userId),
  }));
  return {
    roomId: context.roomId,
    ...(name === undefined ? {} : { name }),
    encrypted: state.event("m.room.encryption", "") !== undefined,
    ...(replacedBy === undefined ? {} : { replacedBy: toRoomId(replacedBy) }),
    conference,
    memberEventPower: { needed: power.toSendState(MEMBER_STATE_EVENT), ghost: power.of(context.ghost) },
    botJoined,
    botCanInvite: botJoined && power.of(botUserId) >= power.toInvite,
    isBanned: (user) => state.event("m.room.member", user)?.content["membership"] === "ban",
    mayJoin: (user) =>
      state.event("m.room.join_rules", "")?.content["join_rule"] === "public" ||
      ["join", "invite"].includes(String(state.event("m.room.member", user)?.content["membership"])),
    people: () => state.people(),
    canKick: (user) => state.isJoined(user) && power.of(user) >= power.toKick,
  };
};
