import { setTimeout as delay } from "node:timers/promises";

import type { Outcome } from "../../calls/outcome.ts";
import type { DialRequest, IncomingCall, LegFact, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { type AriEvent, channelOf } from "./ari-events.ts";
import { createAriRest } from "./ari-rest.ts";
import type { LegEnd } from "./causes.ts";
import { ownedName } from "./channel-names.ts";
import { openEventStream } from "./event-stream.ts";
import { createHousekeeping } from "./housekeeping.ts";
import { createInboundLeg, type InboundLeg } from "./inbound-leg.ts";
import { createInbound, guarded } from "./inbound.ts";
import { createLeg, type Leg, type OutboundLeg } from "./leg.ts";
import { createLegResources } from "./leg-resources.ts";
import { asteriskAddresses, type AsteriskEngineOptions, type AsteriskTrunk, basicAuthorization } from "./options.ts";

/** What SipPort promises for hang-up. */
const HANGUP_LIMIT_MS = 2000;
/** Pause before Asterisk is asked again for its calls. */
const CATCH_UP_RETRY_MS = 1000;
/** How long new media waits for ARI. */
const RENEW_WAIT_MS = 5000;
/** Q.850 "call rejected", for calls that nobody takes. */
const CALL_REJECTED = 21;
/** What a user part of a SIP address needs; more would let a number name another endpoint ("@") or parameters (";"). */
const DIAL_STRING = /^[0-9A-Za-z+*#._-]{1,64}$/;

export interface AsteriskEngine extends SipPort {
  /** Resolves when the events connection stands; never, if Asterisk never comes. */
  ready(): Promise<void>;
  /** Closes the events connection. Calls stay as they are in Asterisk. */
  close(): void;
}

/** Resolves with `work`, or when the time is over. */
const within = async (limitMs: number, work: Promise<unknown>): Promise<void> => {
  const limit = new AbortController();
  await Promise.race([work, delay(limitMs, undefined, { signal: limit.signal }).catch(() => {})]);
  limit.abort();
};

const refused = (outcome: Outcome, text: string, tryNextTrunk: boolean): LegEnd => ({
  outcome,
  cause: { text },
  tryNextTrunk,
});

/** The trunk for a call, or why it cannot even be tried. */
const trunkFor = (
  { trunkId, dialString }: DialRequest,
  trunks: AsteriskEngineOptions["trunks"],
  isConnected: boolean,
): AsteriskTrunk | LegEnd => {
  const trunk = trunks.get(trunkId);
  if (trunk === undefined) return refused("trunk-failed", `${trunkId} is not an asterisk trunk`, false);
  if (!DIAL_STRING.test(dialString)) return refused("invalid-number", "not dialable", false);
  if (!isConnected) return refused("trunk-failed", "Asterisk (ARI) is not connected", true);
  return trunk;
};

const liveLeg = (legs: ReadonlyMap<LegId, Leg>, legId: LegId): Leg => {
  const leg = legs.get(legId);
  if (leg === undefined) throw new GatewayError("MEDIA_FAILED", "The phone has hung up");
  return leg;
};

/** The `asterisk` engine: calls made over ARI, audio as external media over a WebSocket. Connects at once. Throws CONFIG_INVALID. */
export const createAsteriskEngine = (
  options: AsteriskEngineOptions,
  log: Log,
  onReconnected: () => void = () => {},
): AsteriskEngine => {
  const { rest, events, media: mediaUrl } = asteriskAddresses(options);
  const authorization = basicAuthorization(options);
  const ari = createAriRest(rest, authorization);
  const things = createHousekeeping(ari, options.app);
  const legs = new Map<LegId, Leg>();
  /** Ended legs of which something may be left in Asterisk, because ARI was away. */
  const leftovers = new Set<LegId>();

  const catchUp = async (): Promise<void> => {
    // Only legs that were dialled before Asterisk is asked: a younger one may be missing in the answer and be well.
    const dialled = [...legs.values()].filter((leg) => leg.dialled());
    const found = await things.find();
    for (const leg of dialled) leg.catchUp(found);
    for (const leg of new Set([...things.withoutPhone(found), ...leftovers])) {
      if (legs.has(leg)) continue;
      await things.remove(leg);
      leftovers.delete(leg);
      log.info({ legId: leg }, "removed what was left of a call in Asterisk");
    }
  };

  const catchUpSoon = (): void => {
    catchUp().catch((error: unknown) => {
      log.warn({ error }, "calls in Asterisk could not be listed");
      setTimeout(() => {
        // After another loss the next connection asks anyway.
        if (stream.connected()) catchUpSoon();
      }, CATCH_UP_RETRY_MS).unref();
    });
  };

  const onEvent = (event: AriEvent): void => {
    if (event.type === "ApplicationReplaced") return;
    const { id } = channelOf(event);
    const owned = ownedName(options.app, id);
    return owned === undefined ? inbound.handle(event, id) : legs.get(owned.leg)?.handle(event);
  };

  const released = (legId: LegId, leg: Leg, clean: boolean): void => {
    if (!clean) leftovers.add(legId);
    if (legs.get(legId) === leg) legs.delete(legId);
    inbound.forget(legId);
  };

  const addInboundLeg = ({ legId, trunkId }: IncomingCall, phone: string): InboundLeg => {
    const codec = options.trunks.get(trunkId)?.codec;
    const leg = createInboundLeg({
      legId,
      resources: createLegResources({ ari, app: options.app, leg: legId, phone, codec, mediaUrl }),
      log,
      onReleased: (clean) => released(legId, leg, clean),
      unusedMediaLimitMs: options.unusedMediaLimitMs,
    });
    legs.set(legId, leg);
    return leg;
  };

  const inbound = createInbound({
    trunks: options.trunks,
    log,
    addLeg: addInboundLeg,
    bridgeOf: (legId) => liveLeg(legs, legId).bridge,
    reject: (channel) => ari.hangup(channel, CALL_REJECTED),
  });

  const stream = openEventStream({
    url: events,
    authorization,
    log,
    isRegistered: () => ari.isRegistered(options.app),
    onEvent,
    onConnected: () => catchUpSoon(),
    onReconnected,
    onLost: () => {
      log.warn({ calls: legs.size }, "ARI events connection lost, calls go on");
      for (const leg of legs.values()) leg.eventsLost();
    },
  });

  const addLeg = (request: DialRequest, trunk: AsteriskTrunk, onFact: (fact: LegFact) => void): OutboundLeg => {
    const { legId } = request;
    const leg = createLeg(request, {
      resources: createLegResources({ ari, app: options.app, leg: legId, codec: trunk.codec, mediaUrl }),
      endpoint: trunk.endpoint,
      log,
      onFact,
      onReleased: (clean) => released(legId, leg, clean),
    });
    legs.set(legId, leg);
    return leg;
  };

  return {
    ...inbound.port,

    dial: (request, onFact) => {
      const tell = guarded(log, request.legId, onFact);
      const trunk = trunkFor(request, options.trunks, stream.connected());
      if ("outcome" in trunk) return queueMicrotask(() => tell({ type: "leg.ended", ...trunk }));
      // Known from now on: it may be hung up before the first request is out. Facts never arrive before dial() has returned.
      const leg = addLeg(request, trunk, tell);
      queueMicrotask(() => void leg.dial());
    },

    hangup: async (legId, outcome) => {
      const work = legs.get(legId)?.hangup(outcome) ?? things.remove(legId);
      const done = work.catch((error: unknown) => {
        leftovers.add(legId);
        log.warn({ legId, error }, "hang-up did not reach Asterisk, it is repeated when ARI is back");
      });
      await within(HANGUP_LIMIT_MS, done);
    },

    renewMedia: async (legId) => {
      const leg = liveLeg(legs, legId);
      // A fault of the network takes the audio and ARI at once, in any order. A media channel whose worker comes while events do not flow is
      // hung up by Asterisk: so first make sure that they do.
      await within(RENEW_WAIT_MS, stream.confirmed());
      return await leg.renewMedia();
    },

    press: async (legId, keys) => liveLeg(legs, legId).press(keys),
    transfer: async (legId, dialString) => liveLeg(legs, legId).transfer(dialString),

    listLegs: things.listPhones,

    ready: () => stream.untilConnected(),
    close: () => {
      stream.close();
      for (const leg of legs.values()) leg.close();
    },
  };
};
