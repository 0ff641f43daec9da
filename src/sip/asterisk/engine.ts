import { setTimeout as delay } from "node:timers/promises";

import type { Outcome } from "../../calls/outcome.ts";
import type { DialRequest, LegFact, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { type AriEvent, channelOf } from "./ari-events.ts";
import { createAriRest } from "./ari-rest.ts";
import { ownedName } from "./channel-names.ts";
import { openEventStream } from "./event-stream.ts";
import { createHousekeeping } from "./housekeeping.ts";
import { createLeg, type Leg } from "./leg.ts";
import { createLegResources } from "./leg-resources.ts";
import { asteriskAddresses, type AsteriskEngineOptions, basicAuthorization } from "./options.ts";

/** What SipPort promises for hang-up. */
const HANGUP_LIMIT_MS = 2000;
/** Q.850 "call rejected", for calls that nobody takes. */
const CALL_REJECTED = 21;
/** What a user part of a SIP address needs; more would let a number name another endpoint ("@") or parameters (";"). */
const DIAL_STRING = /^[0-9A-Za-z+*#._-]{1,64}$/;

export interface AsteriskEngine extends SipPort {
  /** Resolves when the events connection stands for the first time; never, if Asterisk never comes. */
  ready(): Promise<void>;
  /** Closes the events connection. Calls stay as they are in Asterisk. */
  close(): void;
}

/** The `asterisk` engine: calls made over ARI, audio as external media over a WebSocket. Connects at once. Throws CONFIG_INVALID. */
export const createAsteriskEngine = (options: AsteriskEngineOptions, log: Log): AsteriskEngine => {
  const addresses = asteriskAddresses(options);
  const authorization = basicAuthorization(options);
  const ari = createAriRest(addresses.rest, authorization);
  const things = createHousekeeping(ari, options.app);
  const legs = new Map<LegId, Leg>();
  /** Ended legs of which something may be left in Asterisk, because ARI was away. */
  const leftovers = new Set<LegId>();
  const connectedOnce = Promise.withResolvers<void>();

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

  const onEvent = (event: AriEvent): void => {
    if (event.type === "ApplicationReplaced") return;
    const channel = channelOf(event);
    const owned = ownedName(options.app, channel.id);
    if (owned !== undefined) return legs.get(owned.leg)?.handle(event);
    if (event.type !== "StasisStart") return;
    log.info({}, "inbound call refused: dialling in is not supported yet");
    ari
      .hangup(channel.id, CALL_REJECTED)
      .catch((error: unknown) => log.warn({ error }, "an inbound call could not be refused"));
  };

  const stream = openEventStream({
    url: addresses.events,
    authorization,
    log,
    onEvent,
    onConnected: () => {
      connectedOnce.resolve();
      catchUp().catch((error: unknown) => log.warn({ error }, "calls in Asterisk could not be listed"));
    },
    onLost: () => {
      log.warn({ calls: legs.size }, "ARI events connection lost, calls go on");
      for (const leg of legs.values()) leg.eventsLost();
    },
  });

  const start = async (request: DialRequest, onFact: (fact: LegFact) => void): Promise<void> => {
    const { legId, trunkId, dialString } = request;
    const refused = (outcome: Outcome, text: string, tryNextTrunk: boolean): void =>
      onFact({ type: "leg.ended", outcome, cause: { text }, tryNextTrunk });
    const trunk = options.trunks.get(trunkId);
    if (trunk === undefined) return refused("trunk-failed", `${trunkId} is not an asterisk trunk`, false);
    if (!DIAL_STRING.test(dialString)) return refused("invalid-number", "not dialable", false);
    if (!stream.connected()) return refused("trunk-failed", "Asterisk (ARI) is not connected", true);
    const resources = createLegResources({
      ari,
      app: options.app,
      leg: legId,
      codec: trunk.codec ?? "alaw",
      mediaUrl: addresses.media,
    });
    const leg = createLeg(request, {
      resources,
      endpoint: trunk.endpoint,
      log,
      onFact,
      onReleased: (clean) => {
        if (!clean) leftovers.add(legId);
        if (legs.get(legId) === leg) legs.delete(legId);
      },
    });
    legs.set(legId, leg);
    await leg.dial();
  };

  return {
    dial: (request, onFact) => {
      /** One fault in a listener must not take the events of all other calls with it. */
      const guarded = (fact: LegFact): void => {
        try {
          onFact(fact);
        } catch (error) {
          log.error({ legId: request.legId, fact: fact.type, error }, "a listener of a leg failed");
        }
      };
      // Facts never arrive before dial() has returned.
      queueMicrotask(() => void start(request, guarded));
    },

    hangup: async (legId, outcome) => {
      const work = legs.get(legId)?.hangup(outcome) ?? things.remove(legId);
      const done = work.catch((error: unknown) => {
        leftovers.add(legId);
        log.warn({ legId, error }, "hang-up did not reach Asterisk, it is repeated when ARI is back");
      });
      const limit = new AbortController();
      await Promise.race([done, delay(HANGUP_LIMIT_MS, undefined, { signal: limit.signal }).catch(() => {})]);
      limit.abort();
    },

    renewMedia: async (legId) => {
      const leg = legs.get(legId);
      if (leg === undefined) throw new GatewayError("MEDIA_FAILED", "The phone has hung up");
      return await leg.renewMedia();
    },

    listLegs: async () => {
      try {
        return await things.listPhones();
      } catch (error) {
        const message = "Asterisk (ARI) does not list its calls";
        throw new GatewayError("TRUNK_UNAVAILABLE", message, { cause: error, retryable: true });
      }
    },

    ready: () => connectedOnce.promise,
    close: () => stream.close(),
  };
};
