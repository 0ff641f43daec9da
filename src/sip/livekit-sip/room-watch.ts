import type { Log } from "../../log.ts";
import { INBOUND_PREFIX } from "./leg-room.ts";
import type { RoomHint } from "./webhook.ts";

/** How often LiveKit is asked for calls that no webhook told of, and for the end of those that run. */
const SCAN_INTERVAL_MS = 1000;

export interface RoomWatchDeps {
  /** Names of all rooms worth a look; others may be among them. */
  readonly rooms: () => Promise<readonly string[]>;
  readonly look: (hint: RoomHint) => Promise<void>;
  readonly log: Log;
}

/** Looks into the rooms of calls to us, again and again, one look at a time into each. */
export interface RoomWatch {
  /** Until then nothing is looked at. */
  readonly start: () => void;
  /** A webhook named this room: looks there now. For rooms of others too. */
  readonly hint: (hint: RoomHint) => void;
  readonly close: () => void;
}

export const createRoomWatch = ({ rooms, look, log }: RoomWatchDeps): RoomWatch => {
  const looking = new Set<string>();
  /** Rooms that somebody left while they were being looked at: what was seen may be what was before. */
  const left = new Set<string>();
  let isRunning = false;
  let timer: NodeJS.Timeout | undefined;

  const lookOnce = async (hint: RoomHint): Promise<void> => {
    const { room, hasLeft } = hint;
    if (!isRunning || !room.startsWith(INBOUND_PREFIX)) return;
    if (looking.has(room)) {
      if (hasLeft) left.add(room);
      return;
    }
    looking.add(room);
    try {
      await look(hint);
    } catch (error) {
      // LiveKit restarting is no hang-up: livekit-sip reconnects its legs by itself.
      log.debug({ error }, "a leg room could not be looked at");
    } finally {
      looking.delete(room);
      if (left.delete(room)) void lookOnce({ room, hasLeft: true });
    }
  };

  const scan = async (): Promise<void> => {
    await Promise.all([...new Set(await rooms())].map((room) => lookOnce({ room, hasLeft: false })));
  };
  const scanAgain = (): void => {
    if (!isRunning) return;
    timer = setTimeout(() => {
      scan()
        .catch((error: unknown) => log.debug({ error }, "LiveKit does not list its rooms"))
        .finally(scanAgain);
    }, SCAN_INTERVAL_MS).unref();
  };

  return {
    start: () => {
      if (isRunning) return;
      isRunning = true;
      scanAgain();
    },
    hint: (hint) => void lookOnce(hint),
    close: () => {
      isRunning = false;
      clearTimeout(timer);
    },
  };
};
