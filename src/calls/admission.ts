import { GatewayError, toGatewayError } from "../errors.ts";
import type { GhostUserId, RoomId, UserId } from "../ids.ts";
import type { AddPhone, CallRecord, RoomPort, RoomView } from "./ports.ts";

/** Whether the bot has to invite the ghost; otherwise somebody has, or it is there already. */
export const invitesFirst = (via: AddPhone["via"]): boolean => via === "command" || via === "api";

/** The room as the bot sees it; for an invite or a chat, which need no bot, as the ghost does. */
export const viewRoom = (
  rooms: RoomPort,
  { roomId, via }: Pick<AddPhone, "roomId" | "via">,
  ghost: GhostUserId,
): Promise<RoomView> => (invitesFirst(via) ? rooms.viewAsBot(roomId) : rooms.viewAsGhost(roomId, ghost));

/** Throws the reason why a phone cannot be added to this room's call now, in words for whoever asked. */
export const checkRoom = (view: RoomView, via: AddPhone["via"]): void => {
  if (view.replacedBy !== undefined) throw replaced(view.replacedBy);
  if (!view.conference.some((member) => !member.isPhone)) {
    throw new GatewayError("NO_LIVE_CALL", "There is no call in this room. Start or join one, then add the phone.");
  }
  checkEntry(view, invitesFirst(via));
};

/** Throws the reason why a person cannot call a phone in this chat now. */
export const checkChat = (view: RoomView, ghost: GhostUserId, person: UserId): void => {
  const others = view.people().filter((user) => user !== ghost && user !== person);
  if (others.length > 0) {
    throw new GatewayError(
      "BAD_REQUEST",
      "A chat with a number is for two: somebody else is here, so it is not called. Start another chat with it.",
    );
  }
  checkRoom(view, "chat");
  if (!view.conference.some(({ userId }) => userId === person)) {
    throw new GatewayError("NO_LIVE_CALL", "You are not in the call any more.");
  }
};

const replaced = (by: RoomId): GatewayError =>
  new GatewayError("ROOM_UPGRADED", `This room was replaced by ${by}. Ask again there.`);

/** Throws the reason why a ghost cannot enter the room and be a member of a call there. */
const checkEntry = (view: RoomView, needsInvite: boolean): void => {
  if (view.replacedBy !== undefined) throw replaced(view.replacedBy);
  const { needed, ghost } = view.memberEventPower;
  if (ghost < needed) {
    throw new GatewayError(
      "GHOST_LACKS_POWER",
      `Joining a call needs power level ${needed} here (events org.matrix.msc3401.call.member), a phone has ${ghost}. ` +
        "Let every member join calls in the room's permissions, or give the phone that level.",
    );
  }
  if (needsInvite && !view.botCanInvite) {
    throw new GatewayError(
      "BOT_CANNOT_INVITE",
      "The gateway's bot may not invite here. Give it the power to invite, or invite the phone yourself.",
    );
  }
};

/** What an inbound call finds in its room. */
export interface Admission {
  /** A member that is not a phone is in the call. */
  readonly isLive: boolean;
  /** Nobody at all is in the call. */
  readonly isEmpty: boolean;
  /** The bot has to invite the ghost. */
  readonly needsInvite: boolean;
}

/** Lets an inbound call into its room, or throws the reason why not. */
export type Admit = (record: Pick<CallRecord, "callId" | "roomId" | "ghost">, isInvited: boolean) => Promise<Admission>;

/** The room as the bot sees it. Rejects with GatewayError when the ghost cannot or may not come. */
export const admitGhost = async (
  rooms: RoomPort,
  room: RoomId,
  ghost: GhostUserId,
  isInvited: boolean,
): Promise<Admission> => {
  let view: RoomView;
  try {
    view = await rooms.viewAsBot(room);
  } catch (error) {
    // Somebody is in the call whose membership the bot cannot read.
    if (toGatewayError(error).code === "NO_LIVE_CALL") return { isLive: true, isEmpty: false, needsInvite: !isInvited };
    throw error;
  }
  if (view.isBanned(ghost)) throw new GatewayError("GHOST_BANNED", "This caller is banned from the room.");
  // What the bot has synced of a ghost that has just left may be old, so it is invited where that is possible.
  const needsInvite = !isInvited && (view.botCanInvite || !view.mayJoin(ghost));
  checkEntry(view, needsInvite);
  const { conference } = view;
  return { isLive: conference.some(({ isPhone }) => !isPhone), isEmpty: conference.length === 0, needsInvite };
};
