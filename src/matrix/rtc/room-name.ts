import { EventType } from "matrix-js-sdk";
import { toGatewayError } from "../../errors.ts";
import type { SessionContext } from "./session-context.ts";
import { within } from "./within.ts";

const ON_HOLD = " (on hold)";
/** A homeserver that does not answer must not hold up the end of a call. */
const TAKE_BACK_MS = 500;

/**
 * What the ghost is called in this room only, never in the profile, which other calls share: who calls, where a ghost rings for another
 * number than its own, and that the phone is on hold.
 */
export const createRoomName = () => {
  let shown: string | undefined;
  /** One after the other, so that the last word counts. */
  let showing: Promise<void> = Promise.resolve();

  const write = async ({ device, request }: SessionContext, displayname: string): Promise<void> => {
    const { roomId, ghost, displayName } = request;
    const client = device?.client;
    const own = client?.getRoom(roomId)?.currentState.getStateEvents(EventType.RoomMember, ghost)?.getContent();
    if (client === undefined || own === undefined || (shown ?? displayName) === displayname) return;
    await client.sendStateEvent(roomId, EventType.RoomMember, { ...own, membership: "join", displayname }, ghost);
    shown = displayname;
  };

  const show = (work: () => Promise<void>): Promise<void> => (showing = showing.catch(() => {}).then(work));

  return {
    /** Never rejects: a name is not worth a call. */
    showCaller: async (context: SessionContext): Promise<void> => {
      try {
        await show(() => write(context, context.request.nameInRoom ?? context.request.displayName));
      } catch (error) {
        context.log.warn({ code: toGatewayError(error).code }, "the name of a caller is not shown");
      }
    },
    /** Rejects with what the homeserver says. A ghost with another call in the room keeps its name: that phone is not on hold. */
    showHold: (context: SessionContext, isHeld: boolean): Promise<void> =>
      show(async () => {
        const { deps, request } = context;
        if (isHeld && deps.hasOtherSession(request)) return;
        await write(context, (request.nameInRoom ?? request.displayName) + (isHeld ? ON_HOLD : ""));
      }),
    /** At the end of the call, as a ghost may stay in the room. Never rejects. */
    takeBack: async (context: SessionContext): Promise<void> => {
      const done = showing.then(() => write(context, context.request.displayName)).catch(() => {});
      await within(done, TAKE_BACK_MS, undefined);
    },
  };
};
