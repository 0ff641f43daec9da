/** A device of a person that is in no call: it sees who rings, in whatever room, and declines. Times are epoch milliseconds. */
import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixEventEvent, type TimelineEvents } from "matrix-js-sdk";
import { nowMs } from "../lab/member/hearing.ts";
import { logIn, synced } from "../lab/member/matrix.ts";
import { until } from "./call.ts";

const RING = "org.matrix.msc4075.rtc.notification";
const DECLINE = "org.matrix.msc4310.rtc.decline";

export interface Ring {
  readonly caller: string;
  readonly roomId: string;
  readonly eventId: string;
  /** The device had read it. */
  readonly seenAtMs: number;
}

export interface Doorbell extends AsyncDisposable {
  /** The first ring of this user that was seen after that moment. Rejects after 10 s. */
  waitForRing(caller: string, sinceMs: number): Promise<Ring>;
  decline(ring: Ring): Promise<void>;
}

const ringIn = (event: MatrixEvent, person: string): Ring | undefined => {
  if (event.getType() !== RING) return undefined;
  if (event.getContent()["m.mentions"]?.user_ids?.includes(person) !== true) return undefined;
  return {
    caller: event.getSender() ?? "",
    roomId: event.getRoomId() ?? "",
    eventId: event.getId() ?? "",
    seenAtMs: nowMs(),
  };
};

const watchRings = (client: MatrixClient, onRing: (ring: Ring) => void): void => {
  const seen = new Set<string>();
  const look = (event: MatrixEvent): void => {
    const ring = ringIn(event, client.getSafeUserId());
    if (ring === undefined || seen.has(ring.eventId)) return;
    seen.add(ring.eventId);
    onRing(ring);
  };
  client.on(ClientEvent.Event, look);
  client.on(MatrixEventEvent.Decrypted, look);
};

export const openDoorbell = async (account: {
  readonly homeserverUrl: string;
  readonly userId: string;
  readonly password: string;
}): Promise<Doorbell> => {
  const client = await logIn(account);
  const rings: Ring[] = [];
  watchRings(client, (ring) => rings.push(ring));
  await client.startClient();
  await synced(client);
  return {
    waitForRing: async (caller, sinceMs) => {
      const find = (): Ring | undefined => rings.find((ring) => ring.caller === caller && ring.seenAtMs > sinceMs);
      await until(`a ring of ${caller}`, async () => find() !== undefined);
      return find()!;
    },
    decline: async ({ roomId, eventId }) => {
      const content = { "m.relates_to": { rel_type: "m.reference", event_id: eventId } };
      await client.sendEvent(roomId, DECLINE as keyof TimelineEvents, content as never);
    },
    [Symbol.asyncDispose]: async () => {
      await client.logout(true);
      client.stopClient();
    },
  };
};
