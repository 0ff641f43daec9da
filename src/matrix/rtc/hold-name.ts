import { EventType } from "matrix-js-sdk";
import type { SessionContext } from "./session-context.ts";

const SUFFIX = " (on hold)";

/** Says in the ghost's name that the phone is on hold: in this room only, never in the profile, which other calls share. */
export const createHoldName = () => {
  let isShown = false;
  return {
    /** Rejects with what the homeserver says. A ghost with another call in the room keeps its name: that phone is not on hold. */
    show: async ({ deps, device, request }: SessionContext, isHeld: boolean): Promise<void> => {
      const { roomId, ghost } = request;
      const client = device?.client;
      const own = client?.getRoom(roomId)?.currentState.getStateEvents(EventType.RoomMember, ghost)?.getContent();
      if (client === undefined || own === undefined || isShown === isHeld) return;
      if (isHeld && deps.hasOtherSession(request)) return;
      const { displayName } = request;
      const displayname = isHeld ? displayName + SUFFIX : displayName;
      await client.sendStateEvent(roomId, EventType.RoomMember, { ...own, membership: "join", displayname }, ghost);
      isShown = isHeld;
    },
  };
};
