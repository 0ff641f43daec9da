import { GatewayError } from "../errors.ts";
import type { GhostUserId, RoomId } from "../ids.ts";
import { viewRoom } from "./admission.ts";
import type { CallRegistry } from "./call-registry.ts";
import type { CallService, RoomPort, Subject } from "./ports.ts";

/** Whether this is a member of the room who may kick, as a phone in the room sees it: it may be in rooms where the bot is not. */
export const mayModerate = async (
  rooms: RoomPort,
  subject: Subject,
  { roomId, ghost }: { readonly roomId: RoomId; readonly ghost: GhostUserId },
): Promise<boolean> =>
  subject.kind === "user" && (await viewRoom(rooms, { roomId, via: "invite" }, ghost)).canKick(subject.userId);

/** What moderators do with a phone in the call. */
export const createModeration = ({
  rooms,
  registry,
}: {
  readonly rooms: RoomPort;
  readonly registry: Pick<CallRegistry, "actor">;
}): Pick<CallService, "moderate"> => ({
  moderate: async ({ callId, subject, action }) => {
    const actor = registry.actor(callId);
    if (actor === undefined) throw new GatewayError("CALL_NOT_FOUND", "This phone is not in a call any more.");
    if (!(await mayModerate(rooms, subject, actor.record()))) {
      throw new GatewayError("UNAUTHORIZED", "Only members who may kick can mute phones.");
    }
    actor.post({ type: "moderation", action });
    return actor.record();
  },
});
