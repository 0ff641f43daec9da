import type { CreateSipParticipantOptions, SipClient } from "livekit-server-sdk";
import type { CallerId, DialRequest, LegFact, LegMedia, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId, TrunkId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { type Ended, endedOfDialError } from "./causes.ts";
import { type LegRooms, placeOf, removeUntil, type StandingLeg } from "./leg-room.ts";

/** livekit-server awaits an answer for 80 s at most (`wait_until_answered`), whatever the ringing time-out. */
const LONGEST_RING_MS = 75_000;
/**
 * LiveKit has no event for "ringing" or "hung up" that a server can rely on (webhooks are dropped after a receiver was down), so
 * the leg room is asked. A hang-up is usually seen sooner, by the media worker in the room, which then asks for new media.
 */
const STATUS_INTERVAL_MS = 700;

interface Leg extends StandingLeg {
  readonly onFact: (fact: LegFact) => void;
  rang: boolean;
  answered: boolean;
  ended: boolean;
  stopWatching: () => void;
  /** Settles when livekit-sip has answered the request to dial. */
  dialled: Promise<void>;
}

const callerOptions = (callerId: CallerId): CreateSipParticipantOptions =>
  callerId.kind === "anonymous"
    ? { displayName: "Anonymous", headers: { Privacy: "id" } }
    : { fromNumber: callerId.number, ...(callerId.name === undefined ? {} : { displayName: callerId.name }) };

export interface DialledDeps {
  readonly sip: SipClient;
  readonly rooms: LegRooms;
  readonly sipTrunkId: (trunk: TrunkId) => Promise<string>;
  /** Deletes the room and with it the call. Never rejects. */
  readonly removeRoom: (room: string) => Promise<void>;
  readonly log: Log;
}

/** The calls that we make. */
export interface Dialled {
  dial: SipPort["dial"];
  pressed(leg: LegId, digit: string): void;
  standing(leg: LegId): StandingLeg | undefined;
  hangup(leg: LegId, ended: Ended): Promise<void>;
  renewMedia(leg: LegId): Promise<LegMedia>;
  /** Stops looking at legs; they stay as they are. */
  close(): void;
}

export const createDialled = ({ sip, rooms, sipTrunkId, removeRoom, log }: DialledDeps): Dialled => {
  const legs = new Map<LegId, Leg>();

  /** Tells the end once, then deletes the leg room, which also ends the SIP call if it still stands. */
  const end = async (id: LegId, ended: Ended): Promise<void> => {
    const leg = legs.get(id);
    if (leg !== undefined) {
      leg.ended = true;
      leg.stopWatching();
      legs.delete(id);
      leg.onFact({ type: "leg.ended", ...ended });
    }
    const { room } = placeOf(id);
    await removeRoom(room);
    if (leg !== undefined) void removeUntil(() => removeRoom(room), leg.dialled);
  };

  const look = async (id: LegId, leg: Leg): Promise<void> => {
    const status = await rooms.phoneStatus(leg.place);
    if (leg.ended) return;
    if (status === "ringing" && !leg.rang) {
      leg.rang = true;
      leg.onFact({ type: "leg.ringing" });
    }
    if (leg.answered && (status === "absent" || status === "hangup")) {
      await end(id, { outcome: "completed", cause: { text: "the phone left its leg room" }, tryNextTrunk: false });
    }
  };

  const watch = (id: LegId, leg: Leg): void => {
    const timer = setInterval(() => {
      // LiveKit restarting is no hang-up: livekit-sip reconnects its legs by itself.
      look(id, leg).catch((error: unknown) => log.debug({ legId: id, error }, "leg status unknown"));
    }, STATUS_INTERVAL_MS);
    leg.stopWatching = () => clearInterval(timer);
  };

  const start = async (request: DialRequest, leg: Leg): Promise<void> => {
    const id = request.legId;
    const { place } = leg;
    const [trunk] = await Promise.all([sipTrunkId(request.trunkId), rooms.create(place.room)]);
    if (leg.ended) return;
    watch(id, leg);
    leg.onFact({ type: "leg.mediaReady", media: await rooms.media(id, place) });
    const ringSeconds = Math.ceil(Math.min(request.ringTimeoutMs, LONGEST_RING_MS) / 1000);
    await sip.createSipParticipant(trunk, request.dialString, place.room, {
      ...callerOptions(request.callerId),
      participantIdentity: place.phone,
      waitUntilAnswered: true,
      playDialtone: false,
      ringingTimeout: ringSeconds,
      timeout: ringSeconds + 5,
      maxCallDuration: Math.ceil(request.maxDurationMs / 1000),
    });
    if (leg.ended) return;
    leg.answered = true;
    leg.onFact({ type: "leg.answered" });
  };

  return {
    dial: (request, onFact) => {
      const dialled = Promise.withResolvers<void>();
      const leg: Leg = {
        place: placeOf(request.legId),
        trunkId: request.trunkId,
        onFact,
        rang: false,
        answered: false,
        ended: false,
        stopWatching: () => {},
        dialled: dialled.promise,
      };
      legs.set(request.legId, leg);
      start(request, leg)
        .catch((error: unknown) => {
          log.info({ legId: request.legId, trunkId: request.trunkId, error }, "livekit-sip did not connect the call");
          if (!leg.ended) void end(request.legId, endedOfDialError(error, leg.rang));
        })
        .finally(() => dialled.resolve());
    },

    pressed: (id, digit) => legs.get(id)?.onFact({ type: "leg.dtmf", digit }),

    standing: (id) => legs.get(id),

    hangup: end,

    renewMedia: async (id) => {
      const leg = legs.get(id);
      if (leg !== undefined) await look(id, leg);
      if (leg === undefined || !legs.has(id)) throw new GatewayError("CALL_NOT_FOUND", "The leg has ended");
      return await rooms.media(id, leg.place);
    },

    close: () => {
      for (const leg of legs.values()) leg.stopWatching();
    },
  };
};
