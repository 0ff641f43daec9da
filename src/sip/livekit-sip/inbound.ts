import { setTimeout as delay } from "node:timers/promises";

import type { IncomingCall, LegFact, LegMedia, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { Ended } from "./causes.ts";
import { inboundLegId, phoneIn, readIncoming } from "./incoming.ts";
import { type LegRooms, type StandingLeg, statusOf } from "./leg-room.ts";
import { createRoomWatch, type RoomWatch } from "./room-watch.ts";
import type { RoomHint } from "./webhook.ts";

/** From the track that answers to the status `active`: livekit-sip waits up to 1 s for the first audio of the phone. */
const ANSWER_LIMIT_MS = 8000;
const ANSWER_INTERVAL_MS = 100;
/** A room that is being deleted is listed for a moment longer. */
const REMEMBER_ENDED_MS = 30_000;

interface Leg extends StandingLeg {
  onFact?: (fact: LegFact) => void;
  answered: boolean;
  ended?: Ended;
}

export interface InboundDeps {
  /** Whose calls: several gateways may use one LiveKit. */
  readonly owner: string;
  readonly rooms: LegRooms;
  /** Deletes the room and with it the call. Never rejects. */
  readonly removeRoom: (room: string) => Promise<void>;
  readonly log: Log;
}

/** The calls that came to us: found in LiveKit's rooms, since livekit-sip tells nobody. */
export interface Inbound extends Pick<SipPort, "onIncoming" | "accept" | "answer">, RoomWatch {
  pressed(leg: LegId, digit: string): void;
  standing(leg: LegId): StandingLeg | undefined;
  /** Also for legs of an earlier life of the gateway. */
  hangup(leg: LegId, ended: Ended): Promise<void>;
  renewMedia(leg: LegId): Promise<LegMedia>;
}

const hungUp = (): GatewayError => new GatewayError("MEDIA_FAILED", "The caller has hung up");

export const createInbound = ({ owner, rooms, removeRoom, log }: InboundDeps): Inbound => {
  const legs = new Map<LegId, Leg>();
  /** Rooms whose call is over. */
  const over = new Set<string>();
  let onIncoming: ((call: IncomingCall) => void) | undefined;
  const end = async (id: LegId, leg: Leg, ended: Ended): Promise<void> => {
    if (legs.delete(id)) {
      leg.ended = ended;
      over.add(leg.place.room);
      setTimeout(() => over.delete(leg.place.room), REMEMBER_ENDED_MS).unref();
      leg.onFact?.({ type: "leg.ended", ...ended });
    }
    await removeRoom(leg.place.room);
  };

  const check = async (id: LegId, leg: Leg): Promise<void> => {
    const status = await rooms.phoneStatus(leg.place);
    if (status !== "absent" && status !== "hangup") return;
    const outcome = leg.answered ? "completed" : "cancelled";
    await end(id, leg, { outcome, cause: { text: "the phone left its leg room" }, tryNextTrunk: false });
  };

  const takeIn = async ({ room, hasLeft }: RoomHint): Promise<void> => {
    const participants = await rooms.participants(room);
    // Whoever called has given up before we looked.
    if (hasLeft && participants.length === 0) return removeRoom(room);
    const phone = phoneIn(participants, owner);
    if (phone === undefined || onIncoming === undefined) return;
    const incoming = readIncoming(room, phone);
    const { legId, trunkId } = incoming;
    const status = statusOf(phone);
    if (status === "hangup") return;
    if (status === "active") {
      // Somebody has answered it: an earlier life of the gateway.
      log.warn({ legId, trunkId }, "a call without anybody at our end is hung up");
      return removeRoom(room);
    }
    legs.set(legId, { place: { room, phone: phone.identity }, trunkId, answered: false });
    onIncoming(incoming);
  };

  const watch = createRoomWatch({
    rooms: async () => [...(await rooms.list()), ...[...legs.values()].map(({ place }) => place.room)],
    look: async (hint) => {
      if (over.has(hint.room)) return;
      const id = inboundLegId(hint.room);
      const leg = legs.get(id);
      await (leg === undefined ? takeIn(hint) : check(id, leg));
    },
    log,
  });

  const offerMedia = async (legId: LegId, leg: Leg): Promise<void> => {
    const media = await rooms.media(legId, leg.place);
    if (leg.ended === undefined) leg.onFact?.({ type: "leg.mediaReady", media, attachingAnswers: true });
  };

  const answered = async (leg: Leg): Promise<void> => {
    const limit = performance.now() + ANSWER_LIMIT_MS;
    while (leg.ended === undefined && performance.now() < limit) {
      if ((await rooms.phoneStatus(leg.place)) === "active") return;
      await delay(ANSWER_INTERVAL_MS);
    }
    throw leg.ended === undefined ? new GatewayError("MEDIA_FAILED", "livekit-sip did not answer the call") : hungUp();
  };

  return {
    onIncoming: (listener) => {
      onIncoming = listener;
    },

    start: watch.start,
    hint: watch.hint,

    // livekit-sip rings by itself.
    accept: ({ legId }, onFact) => {
      const leg = legs.get(legId);
      if (leg !== undefined) {
        leg.onFact = onFact;
        return queueMicrotask(() => void offerMedia(legId, leg));
      }
      const cause = { text: "the caller has hung up" };
      queueMicrotask(() => onFact({ type: "leg.ended", outcome: "cancelled", cause, tryNextTrunk: false }));
    },

    answer: async (legId) => {
      const leg = legs.get(legId);
      if (leg === undefined) throw hungUp();
      await answered(leg);
      leg.answered = true;
      leg.onFact?.({ type: "leg.answered" });
    },

    pressed: (legId, digit) => legs.get(legId)?.onFact?.({ type: "leg.dtmf", digit }),

    standing: (legId) => legs.get(legId),

    hangup: async (legId, ended) => {
      const leg = legs.get(legId);
      if (leg !== undefined) return end(legId, leg, ended);
      const room = (await rooms.list()).find((name) => inboundLegId(name) === legId);
      if (room !== undefined) await removeRoom(room);
    },

    renewMedia: async (legId) => {
      const leg = legs.get(legId);
      if (leg !== undefined) await check(legId, leg);
      if (leg === undefined || leg.ended !== undefined) throw new GatewayError("CALL_NOT_FOUND", "The leg has ended");
      return await rooms.media(legId, leg.place);
    },

    close: watch.close,
  };
};
