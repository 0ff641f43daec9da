import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixEventEvent, type TimelineEvents } from "matrix-js-sdk";
import { GatewayError } from "../../errors.ts";
import type { UserId } from "../../ids.ts";
import type { SessionContext } from "./session-context.ts";

export const RING_EVENT = "org.matrix.msc4075.rtc.notification";
export const DECLINE_EVENT = "org.matrix.msc4310.rtc.decline";

/** Content of a decline of this ring (MSC4310). */
export const declineOf = (ringEventId: string): Record<string, unknown> => ({
  "m.relates_to": { rel_type: "m.reference", event_id: ringEventId },
});

/**
 * Content of a ring (MSC4075, as js-sdk 43 writes it), with a mention in place of `room: true`: there is no push rule for the type, and
 * mentioning one user needs no power (matrixrtc.md section 5).
 */
export const ringOf = (ring: {
  readonly person: UserId;
  readonly membershipEventId: string;
  readonly nowMs: number;
  readonly lifetimeMs: number;
}): Record<string, unknown> => ({
  slot_id: "m.call#ROOM",
  notification_type: "ring",
  "m.mentions": { user_ids: [ring.person], room: false },
  "m.relates_to": { rel_type: "m.reference", event_id: ring.membershipEventId },
  "m.call.intent": "audio",
  sender_ts: ring.nowMs,
  lifetime: ring.lifetimeMs,
});

const isDeclineOf = (event: MatrixEvent, ringEventId: string, person: UserId): boolean =>
  event.getType() === DECLINE_EVENT && event.getSender() === person && event.relationEventId === ringEventId;

/** Calls back for each decline of the ring by this person. Returns how to stop. */
const watchDeclines = (
  client: MatrixClient,
  { person, onDecline }: { readonly person: UserId; readonly onDecline: (ringEventId: string) => void },
): (() => void) => {
  const look = (event: MatrixEvent): void => {
    const ring = event.relationEventId;
    if (ring !== undefined && isDeclineOf(event, ring, person)) onDecline(ring);
  };
  const onEvent = (event: MatrixEvent): void => {
    if (event.getSender() !== person) return;
    void client.decryptEventIfNeeded(event);
    look(event);
  };
  client.on(ClientEvent.Event, onEvent);
  client.on(MatrixEventEvent.Decrypted, look);
  return () => {
    client.off(ClientEvent.Event, onEvent);
    client.off(MatrixEventEvent.Decrypted, look);
  };
};

/** Rings the person of the call; `rtc.declined` follows if they decline. Rejects with HOMESERVER_REFUSED. */
export const ringPerson = async (context: SessionContext, lifetimeMs: number): Promise<void> => {
  const { request, device, membershipEventId, closers, onFact } = context;
  const { person, roomId } = request;
  if (device === undefined || person === undefined || membershipEventId === undefined) {
    throw new GatewayError("INTERNAL", "the ghost is not in the call");
  }
  const { client } = device;
  // A decline may come by /sync before the answer to the ring: it is kept.
  const declined = new Set<string>();
  let ringEventId: string | undefined;
  const onDecline = (ring: string): void => {
    declined.add(ring);
    if (ring === ringEventId) onFact({ type: "rtc.declined" });
  };
  closers.push(watchDeclines(client, { person, onDecline }));
  const content = ringOf({ person, membershipEventId, nowMs: Date.now(), lifetimeMs });
  try {
    const sent = await client.sendEvent(roomId, RING_EVENT as keyof TimelineEvents, content as never);
    ringEventId = sent.event_id;
  } catch (cause) {
    throw new GatewayError("HOMESERVER_REFUSED", "The homeserver did not take the ring", { cause });
  }
  if (declined.has(ringEventId)) onFact({ type: "rtc.declined" });
};
