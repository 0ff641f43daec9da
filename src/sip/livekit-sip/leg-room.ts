import { setTimeout as delay } from "node:timers/promises";
import { AccessToken, type ParticipantInfo, type RoomServiceClient, ServerError } from "livekit-server-sdk";
import { GatewayError } from "../../errors.ts";
import { type LegId, legId, type TrunkId } from "../../ids.ts";
import type { LegMedia } from "../../calls/ports.ts";

/** One LiveKit room per leg: the SIP participant and the media worker meet there. */
const PREFIX = "mrtc-leg-";
/** Of the rooms that livekit-sip makes for calls to us, by our dispatch rules. No id of a leg that we dial begins like this. */
export const INBOUND_PREFIX = `${PREFIX}in`;
const GATEWAY_IDENTITY = "gateway";
/** Nobody came at all (livekit-sip refused): the room goes by itself. */
const EMPTY_TIMEOUT_S = 60;
/** Long enough for a new media worker to take the place of one that died. */
const DEPARTURE_TIMEOUT_S = 10;

export const ROOM_TIMEOUTS = { emptyTimeout: EMPTY_TIMEOUT_S, departureTimeout: DEPARTURE_TIMEOUT_S } as const;

/** Where a leg is: its room, and the phone's LiveKit identity in it. */
export interface LegPlace {
  readonly room: string;
  readonly phone: string;
}

/** A leg that stands. */
export interface StandingLeg {
  readonly place: LegPlace;
  readonly trunkId: TrunkId;
}

export interface LegRoomsOptions {
  readonly rooms: RoomServiceClient;
  readonly wsUrl: string;
  readonly apiKey: string;
  readonly apiSecret: string;
}

/** What the phone's SIP participant says of itself (`sip.callStatus`), or that it is not there. */
export type PhoneStatus = "absent" | "dialing" | "ringing" | "automation" | "active" | "hangup";

export interface LegRooms {
  create(room: string): Promise<void>;
  /** Ends the SIP call (BYE; CANCEL while it rings, 486 for a call to us). A room that is gone already is fine. */
  remove(room: string): Promise<void>;
  media(leg: LegId, place: LegPlace): Promise<LegMedia>;
  /** Nobody for a room that is gone. Rejects when LiveKit does not answer: then nothing is known. */
  participants(room: string): Promise<readonly ParticipantInfo[]>;
  phoneStatus(place: LegPlace): Promise<PhoneStatus>;
  /** Names of all rooms that are legs of ours. */
  list(): Promise<readonly string[]>;
}

/** Place of a leg that we dial. */
export const placeOf = (leg: LegId): LegPlace => ({ room: `${PREFIX}${leg}`, phone: "phone" });

/** The legs that we dialled, among rooms of ours. */
export const dialledLegs = (rooms: readonly string[]): readonly LegId[] =>
  rooms.filter((room) => !room.startsWith(INBOUND_PREFIX)).map((room) => legId(room.slice(PREFIX.length)));

export const statusOf = (phone: ParticipantInfo | undefined): PhoneStatus =>
  phone === undefined ? "absent" : ((phone.attributes["sip.callStatus"] ?? "dialing") as PhoneStatus);

const isNotFound = (error: unknown): boolean => error instanceof ServerError && error.code === "not_found";

export const createLegRooms = ({ rooms, wsUrl, apiKey, apiSecret }: LegRoomsOptions): LegRooms => {
  /** LiveKit answers a second deletion during the first only after 5 s ("no response from servers"): so there is one at a time. */
  const removals = new Map<string, Promise<void>>();

  const deleteRoom = async (room: string): Promise<void> => {
    try {
      await rooms.deleteRoom(room);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    } finally {
      removals.delete(room);
    }
  };

  const participants = async (room: string): Promise<readonly ParticipantInfo[]> => {
    try {
      return await rooms.listParticipants(room);
    } catch (error) {
      if (isNotFound(error)) return [];
      throw new GatewayError("TRUNK_UNAVAILABLE", "LiveKit does not answer", { cause: error, retryable: true });
    }
  };

  return {
    create: async (room) => {
      await rooms.createRoom({ name: room, ...ROOM_TIMEOUTS });
    },

    remove: (room) => {
      const removal = removals.get(room) ?? deleteRoom(room);
      removals.set(room, removal);
      return removal;
    },

    media: async (leg, { room, phone }) => {
      const token = new AccessToken(apiKey, apiSecret, { identity: GATEWAY_IDENTITY, ttl: "5m" });
      token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true });
      return { kind: "livekit-room", url: wsUrl, token: await token.toJwt(), phoneIdentity: phone, legId: leg };
    },

    participants,

    phoneStatus: async ({ room, phone }) =>
      statusOf((await participants(room)).find(({ identity }) => identity === phone)),

    list: async () => (await rooms.listRooms()).map(({ name }) => name).filter((name) => name.startsWith(PREFIX)),
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
