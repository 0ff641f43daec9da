import { GatewayError } from "../errors.ts";
import type { GhostUserId } from "../ids.ts";
import type { AddPhone, RoomPort, RoomView } from "./ports.ts";

/** The room as the bot sees it; for an invite, which needs no bot, as the invited ghost does. */
export const viewRoom = (
  rooms: RoomPort,
  { roomId, via }: Pick<AddPhone, "roomId" | "via">,
  ghost: GhostUserId,
): Promise<RoomView> => (via === "invite" ? rooms.viewAsGhost(roomId, ghost) : rooms.viewAsBot(roomId));

/** Throws the reason why a phone cannot join this room's call now, in words for whoever asked. */
export const checkRoom = (view: RoomView, via: AddPhone["via"]): void => {
  if (view.replacedBy !== undefined) {
    throw new GatewayError("ROOM_UPGRADED", `This room was replaced by ${view.replacedBy}. Ask again there.`);
  }
  if (!view.conference.some((member) => !member.isPhone)) {
    throw new GatewayError("NO_LIVE_CALL", "There is no call in this room. Start or join one, then add the phone.");
  }
  const { needed, ghost } = view.memberEventPower;
  if (ghost < needed) {
    throw new GatewayError(
      "GHOST_LACKS_POWER",
      `Joining a call needs power level ${needed} here (events org.matrix.msc3401.call.member), a phone has ${ghost}. ` +
        "Let every member join calls in the room's permissions, or give the phone that level.",
    );
  }
  if (via !== "invite" && !view.botCanInvite) {
    throw new GatewayError(
      "BOT_CANNOT_INVITE",
      "The gateway's bot may not invite here. Give it the power to invite, or invite the phone yourself.",
    );
  }
};
