import { setTimeout as delay } from "node:timers/promises";
import { AccessToken, type RoomServiceClient, ServerError } from "livekit-server-sdk";
import { GatewayError } from "../../errors.ts";
import { type LegId, legId } from "../../ids.ts";
import type { LegMedia } from "../../calls/ports.ts";

/** One LiveKit room per leg: the SIP participant and the media worker meet there. */
const PREFIX = "mrtc-leg-";
export const PHONE_IDENTITY = "phone";
const GATEWAY_IDENTITY = "gateway";
/** Nobody came at all (livekit-sip refused): the room goes by itself. */
const EMPTY_TIMEOUT_S = 60;
/** Long enough for a new media worker to take the place of one that died. */
const DEPARTURE_TIMEOUT_S = 10;

export interface LegRoomsOptions {
  readonly rooms: RoomServiceClient;
  readonly wsUrl: string;
  readonly apiKey: string;
  readonly apiSecret: string;
}

/** What the phone's SIP participant says of itself (`sip.callStatus`), or that it is not there. */
export type PhoneStatus = "absent" | "dialing" | "ringing" | "automation" | "active" | "hangup";

export interface LegRooms {
  create(leg: LegId): Promise<void>;
  /** Ends the SIP call (BYE, or CANCEL while it rings). A room that is gone already is fine. */
  remove(leg: LegId): Promise<void>;
  media(leg: LegId): Promise<LegMedia>;
  /** Rejects when LiveKit does not answer: then nothing is known. */
  phoneStatus(leg: LegId): Promise<PhoneStatus>;
  list(): Promise<readonly LegId[]>;
}

export const roomNameOf = (leg: LegId): string => `${PREFIX}${leg}`;

const isNotFound = (error: unknown): boolean => error instanceof ServerError && error.code === "not_found";

export const createLegRooms = ({ rooms, wsUrl, apiKey, apiSecret }: LegRoomsOptions): LegRooms => {
  /** LiveKit answers a second deletion during the first only after 5 s ("no response from servers"): so there is one at a time. */
  const removals = new Map<LegId, Promise<void>>();

  const deleteRoom = async (leg: LegId): Promise<void> => {
    try {
      await rooms.deleteRoom(roomNameOf(leg));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    } finally {
      removals.delete(leg);
    }
  };

  return {
    create: async (leg) => {
      await rooms.createRoom({
        name: roomNameOf(leg),
        emptyTimeout: EMPTY_TIMEOUT_S,
        departureTimeout: DEPARTURE_TIMEOUT_S,
      });
    },

    remove: (leg) => {
      const removal = removals.get(leg) ?? deleteRoom(leg);
      removals.set(leg, removal);
      return removal;
    },

    media: async (leg) => {
      const token = new AccessToken(apiKey, apiSecret, { identity: GATEWAY_IDENTITY, ttl: "5m" });
      token.addGrant({ roomJoin: true, room: roomNameOf(leg), canPublish: true, canSubscribe: true });
      return { kind: "livekit-room", url: wsUrl, token: await token.toJwt(), phoneIdentity: PHONE_IDENTITY };
    },

    phoneStatus: async (leg) => {
      try {
        const phone = (await rooms.listParticipants(roomNameOf(leg))).find(
          ({ identity }) => identity === PHONE_IDENTITY,
        );
        return phone === undefined ? "absent" : ((phone.attributes["sip.callStatus"] ?? "dialing") as PhoneStatus);
      } catch (error) {
        if (isNotFound(error)) return "absent";
        throw new GatewayError("TRUNK_UNAVAILABLE", "LiveKit does not answer", { cause: error, retryable: true });
      }
    },

    list: async () =>
      (await rooms.listRooms())
        .filter(({ name }) => name.startsWith(PREFIX))
        .map(({ name }) => legId(name.slice(PREFIX.length))),
  };
};

const REMOVAL_INTERVAL_MS = 250;

/**
 * A SIP participant that joins after its room was deleted makes the room again (`auto_create`) and rings the phone. So the room of a call that
 * was taken back is deleted until livekit-sip has answered the request to dial, and once more after that.
 */
export const removeUntil = async (remove: () => Promise<void>, dialled: Promise<void>): Promise<void> => {
  for (let isDialled = false; !isDialled;) {
    isDialled = await Promise.race([dialled.then(() => true), delay(REMOVAL_INTERVAL_MS, false)]);
    await remove();
  }
};
