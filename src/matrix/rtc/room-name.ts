import { EventType } from "matrix-js-sdk";
import type { SessionContext } from "./session-context.ts";
import { within } from "./within.ts";

const SUFFIX = " (on hold)";
/** A homeserver that does not answer must not hold up the end of a call. */
const TAKE_BACK_MS = 500;

/** Says in the ghost's name that the phone is on hold: in this room only, never in the profile, which other calls share. */
export const createHoldName = () => {
  let isShown = false;
  /** One after the other, so that the last word counts. */
  let showing: Promise<void> = Promise.resolve();

  const write = async ({ deps, device, request }: SessionContext, isHeld: boolean): Promise<void> => {
    const { roomId, ghost, displayName } = request;
    const client = device?.client;
    const own = client?.getRoom(roomId)?.currentState.getStateEvents(EventType.RoomMember, ghost)?.getContent();
    if (client === undefined || own === undefined || isShown === isHeld) return;
    if (isHeld && deps.hasOtherSession(request)) return;
    const displayname = isHeld ? displayName + SUFFIX : displayName;
    await client.sendStateEvent(roomId, EventType.RoomMember, { ...own, membership: "join", displayname }, ghost);
    isShown = isHeld;
  };

  return {
    /** Rejects with what the homeserver says. A ghost with another call in the room keeps its name: that phone is not on hold. */
    show: (context: SessionContext, isHeld: boolean): Promise<void> => {
      showing = showing.catch(() => {}).then(() => write(context, isHeld));
      return showing;
    },
    /** At the end of the call, as a ghost may stay in the room. Never rejects. */
    takeBack: async (context: SessionContext): Promise<void> => {
      const done = showing.then(() => write(context, false)).catch(() => {});
      await within(done, TAKE_BACK_MS, undefined);
    },
  };
};
