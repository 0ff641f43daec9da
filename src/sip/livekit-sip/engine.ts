import { RoomServiceClient, SipClient } from "livekit-server-sdk";
import type { SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId, TrunkId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { createDialled } from "./dialled.ts";
import { createInbound } from "./inbound.ts";
import { isInbound } from "./incoming.ts";
import { createReconciler, type InboundTrunk } from "./inbound-trunks.ts";
import { createLegRooms, dialledLegs } from "./leg-room.ts";
import { ensureOutboundTrunk, type LivekitSipTrunk } from "./trunks.ts";
import { createWebhook } from "./webhook.ts";

export interface LivekitSipEngineOptions {
  /** HTTP address of the livekit-server that livekit-sip is attached to; leg rooms live there (`room.auto_create: true`). */
  readonly url: string;
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly trunks: ReadonlyMap<TrunkId, LivekitSipTrunk>;
  /** Name of this gateway, the same after every start. */
  readonly owner: string;
  /** Those over which phones dial in. */
  readonly inbound: ReadonlyMap<TrunkId, InboundTrunk>;
  /** Keys go to a phone with its audio. Rejects with MEDIA_FAILED. */
  readonly press: (leg: LegId, keys: string) => Promise<void>;
  readonly log: Log;
}

const wsUrlOf = (url: string): string => url.replace(/^http/, "ws");

export interface LivekitSipEngine extends SipPort {
  /** Takes a webhook of LiveKit: only a hint, calls are found without. Rejects with UNAUTHORIZED. */
  takeWebhook(body: string, authorization: string): Promise<void>;
  /** A key that came with the audio of a leg. */
  pressed(leg: LegId, digit: string): void;
  /** For the checks at start: makes sure of what LiveKit has to know of this trunk. Never rejects. */
  check(trunk: TrunkId): Promise<{ readonly ok: boolean; readonly text: string; readonly fix?: string }>;
  /** Stops looking at legs; they stay as they are. */
  close(): void;
}

/** Ids of our outbound trunks at LiveKit; a trunk is made when it is first asked for. */
const createTrunkIds = (
  sip: SipClient,
  trunks: LivekitSipEngineOptions["trunks"],
): ((id: TrunkId) => Promise<string>) => {
  const ids = new Map<TrunkId, Promise<string>>();
  return (id) => {
    const trunk = trunks.get(id);
    if (trunk === undefined) throw new GatewayError("NO_ROUTE", `Trunk ${id} is not a livekit-sip trunk`);
    const known = ids.get(id) ?? ensureOutboundTrunk(sip, id, trunk);
    ids.set(id, known);
    // A failure is not remembered: the next call tries again.
    known.catch(() => ids.delete(id));
    return known;
  };
};

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
  const sipTrunkId = createTrunkIds(sip, trunks);

  const removeRoom = async (room: string): Promise<void> => {
    try {
      await rooms.remove(room);
    } catch (error) {
      log.warn({ error }, "a leg room could not be deleted");
    }
  };
  const dialled = createDialled({ sip, rooms, sipTrunkId, removeRoom, log });
  const inbound = createInbound({ owner: options.owner, rooms, removeRoom, log });
  const reconciler = createReconciler({ sip, owner: options.owner, wanted: options.inbound, log });

  return {
    onIncoming: (listener) => {
      inbound.onIncoming(listener);
      reconciler.start();
      if (options.inbound.size > 0) inbound.start();
    },
    accept: inbound.accept,
    answer: inbound.answer,
    takeWebhook: createWebhook(options, (hint) => inbound.hint(hint)),
    pressed: (id, digit) => {
      (isInbound(id) ? inbound : dialled).pressed(id, digit);
    },

    dial: dialled.dial,

    hangup: (id, outcome) => {
      const ended = { outcome, cause: {}, tryNextTrunk: false };
      return (isInbound(id) ? inbound : dialled).hangup(id, ended);
    },

    press: options.press,

    transfer: async (id, dialString) => {
      const leg = (isInbound(id) ? inbound : dialled).standing(id);
      const trunk = leg === undefined ? undefined : trunks.get(leg.trunkId);
      if (leg === undefined || trunk === undefined) {
        throw new GatewayError("TRUNK_UNAVAILABLE", "The phone has hung up.");
      }
      try {
        await sip.transferSipParticipant(leg.place.room, leg.place.phone, `sip:${dialString}@${trunk.address}`);
      } catch (cause) {
        throw new GatewayError("TRUNK_UNAVAILABLE", "The PBX did not transfer the call.", { cause });
      }
    },

    renewMedia: (id) => (isInbound(id) ? inbound : dialled).renewMedia(id),

    // Calls to us that nobody has are hung up, or taken if they ring still, where they are found.
    listLegs: async () => dialledLegs(await rooms.list()),

    check: async (trunk) => {
      try {
        const outbound = `LiveKit at ${url} has the outbound trunk ${await sipTrunkId(trunk)}`;
        if (!options.inbound.has(trunk)) return { ok: true, text: outbound };
        await reconciler.run();
        return { ok: true, text: `${outbound}, and a trunk and a rule for calls to us` };
      } catch (error) {
        const fix = "livekit-server needs Redis for its SIP API; compare livekit_sip.api_key with its keys";
        const reason = error instanceof Error ? error.message : String(error);
        return { ok: false, text: `LiveKit at ${url} did not take the trunk: ${reason}`, fix };
      }
    },

    close: () => {
      reconciler.close();
      inbound.close();
      dialled.close();
    },
  };
};
