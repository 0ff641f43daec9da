import { type CreateSipParticipantOptions, RoomServiceClient, SipClient } from "livekit-server-sdk";
import type { CallerId, DialRequest, LegFact, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId, TrunkId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { endedOfDialError } from "./causes.ts";
import { createLegRooms, PHONE_IDENTITY, removeUntil, roomNameOf } from "./leg-room.ts";
import { ensureOutboundTrunk, type LivekitSipTrunk } from "./trunks.ts";

/** livekit-server awaits an answer for 80 s at most (`wait_until_answered`), whatever the ringing time-out. */
const LONGEST_RING_MS = 75_000;
/**
 * LiveKit has no event for "ringing" or "hung up" that a server can rely on (webhooks are dropped after a receiver was down), so
 * the leg room is asked. A hang-up is usually seen sooner, by the media worker in the room, which then asks for new media.
 */
const STATUS_INTERVAL_MS = 700;

export interface LivekitSipEngineOptions {
  /** HTTP address of the livekit-server that livekit-sip is attached to; leg rooms live there (`room.auto_create: true`). */
  readonly url: string;
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly trunks: ReadonlyMap<TrunkId, LivekitSipTrunk>;
  readonly log: Log;
}

interface Leg {
  readonly onFact: (fact: LegFact) => void;
  rang: boolean;
  answered: boolean;
  ended: boolean;
  stopWatching: () => void;
  /** Settles when livekit-sip has answered the request to dial. */
  dialled: Promise<void>;
}

const wsUrlOf = (url: string): string => url.replace(/^http/, "ws");

const callerOptions = (callerId: CallerId): CreateSipParticipantOptions =>
  callerId.kind === "anonymous"
    ? { displayName: "Anonymous", headers: { Privacy: "id" } }
    : { fromNumber: callerId.number, ...(callerId.name === undefined ? {} : { displayName: callerId.name }) };

export interface LivekitSipEngine extends SipPort {
  /** For the checks at start: makes sure of the outbound trunk at LiveKit. Never rejects. */
  check(trunk: TrunkId): Promise<{ readonly ok: boolean; readonly text: string; readonly fix?: string }>;
  /** Stops looking at legs; they stay as they are. */
  close(): void;
}

/** Dialling in over livekit-sip is not built yet: no dispatch rule of ours exists there, so no call comes. */
const NO_INBOUND = {
  onIncoming: () => {},
  accept: (_request, onFact) => {
    const cause = { text: "livekit-sip brings no calls to us" };
    onFact({ type: "leg.ended", outcome: "internal", cause, tryNextTrunk: false });
  },
  answer: async () => {
    throw new GatewayError("MEDIA_FAILED", "livekit-sip brings no calls to us");
  },
} as const satisfies Partial<SipPort>;

/** The `livekit-sip` engine: one leg room per call on LiveKit, and a SIP participant that livekit-sip puts into it. */
export const createLivekitSipEngine = (options: LivekitSipEngineOptions): LivekitSipEngine => {
  const { url, apiKey, apiSecret, trunks, log } = options;
  const sip = new SipClient(url, apiKey, apiSecret);
  const rooms = createLegRooms({
    rooms: new RoomServiceClient(url, apiKey, apiSecret),
    wsUrl: wsUrlOf(url),
    apiKey,
    apiSecret,
  });
  const sipTrunkIds = new Map<TrunkId, Promise<string>>();
  const legs = new Map<LegId, Leg>();

  const sipTrunkId = (id: TrunkId): Promise<string> => {
    const trunk = trunks.get(id);
    if (trunk === undefined) throw new GatewayError("NO_ROUTE", `Trunk ${id} is not a livekit-sip trunk`);
    const known = sipTrunkIds.get(id) ?? ensureOutboundTrunk(sip, id, trunk);
    sipTrunkIds.set(id, known);
    // A failure is not remembered: the next call tries again.
    known.catch(() => sipTrunkIds.delete(id));
    return known;
  };

  const removeRoom = async (id: LegId): Promise<void> => {
    try {
      await rooms.remove(id);
    } catch (error) {
      log.warn({ legId: id, error }, "leg room could not be deleted");
    }
  };

  /** Tells the end once, then deletes the leg room, which also ends the SIP call if it still stands. */
  const end = async (id: LegId, ended: Omit<Extract<LegFact, { type: "leg.ended" }>, "type">): Promise<void> => {
    const leg = legs.get(id);
    if (leg !== undefined) {
      leg.ended = true;
      leg.stopWatching();
      legs.delete(id);
      leg.onFact({ type: "leg.ended", ...ended });
    }
    await removeRoom(id);
    if (leg !== undefined) void removeUntil(() => removeRoom(id), leg.dialled);
  };

  const look = async (id: LegId, leg: Leg): Promise<void> => {
    const status = await rooms.phoneStatus(id);
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
    const [trunk] = await Promise.all([sipTrunkId(request.trunkId), rooms.create(id)]);
    if (leg.ended) return;
    watch(id, leg);
    leg.onFact({ type: "leg.mediaReady", media: await rooms.media(id) });
    const ringSeconds = Math.ceil(Math.min(request.ringTimeoutMs, LONGEST_RING_MS) / 1000);
    await sip.createSipParticipant(trunk, request.dialString, roomNameOf(id), {
      ...callerOptions(request.callerId),
      participantIdentity: PHONE_IDENTITY,
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
    ...NO_INBOUND,

    dial: (request, onFact) => {
      const dialled = Promise.withResolvers<void>();
      const leg: Leg = {
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

    hangup: (id, outcome) => end(id, { outcome, cause: {}, tryNextTrunk: false }),

    renewMedia: async (id) => {
      const leg = legs.get(id);
      if (leg !== undefined) await look(id, leg);
      if (!legs.has(id)) throw new GatewayError("CALL_NOT_FOUND", "The leg has ended");
      return await rooms.media(id);
    },

    listLegs: () => rooms.list(),

    check: async (trunk) => {
      try {
        return { ok: true, text: `LiveKit at ${url} has the outbound trunk ${await sipTrunkId(trunk)}` };
      } catch (error) {
        const fix = "livekit-server needs Redis for its SIP API; compare livekit_sip.api_key with its keys";
        const reason = error instanceof Error ? error.message : String(error);
        return { ok: false, text: `LiveKit at ${url} did not take the trunk: ${reason}`, fix };
      }
    },

    close: () => {
      for (const leg of legs.values()) leg.stopWatching();
    },
  };
};
