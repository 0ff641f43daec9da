import { EventType, RelationType } from "matrix-js-sdk";
import type { SessionContext } from "./session-context.ts";

/** What Element Call 0.26 takes for a raised hand: this reaction to the membership event; taking the reaction back lowers it. */
const RAISED_HAND = "\u{1F590}\uFE0F";

export const createHand = () => {
  let reactionId: string | undefined;
  return {
    /** Rejects with what the homeserver says. */
    show: async ({ device, call, deviceId, request }: SessionContext, isRaised: boolean): Promise<void> => {
      const client = device?.client;
      if (client === undefined) return;
      if (!isRaised) {
        if (reactionId === undefined) return;
        await client.redactEvent(request.roomId, reactionId);
        reactionId = undefined;
        return;
      }
      const membership = call?.members.find((one) => one.userId === request.ghost && one.deviceId === deviceId);
      if (membership?.eventId === undefined) return;
      const relation = { rel_type: RelationType.Annotation as const, event_id: membership.eventId, key: RAISED_HAND };
      const sent = await client.sendEvent(request.roomId, EventType.Reaction, { "m.relates_to": relation });
      reactionId = sent.event_id;
    },
  };
};
