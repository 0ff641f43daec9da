import type { IncomingCall, LegFact, SipPort } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { AriEvent, AriChannelEvent } from "./ari-events.ts";
import { inboundLegId } from "./channel-names.ts";
import type { InboundLeg } from "./inbound-leg.ts";
import { readIncoming } from "./incoming.ts";
import type { AsteriskEngineOptions } from "./options.ts";

export interface InboundDeps {
  readonly trunks: AsteriskEngineOptions["trunks"];
  readonly log: Log;
  readonly addLeg: (call: IncomingCall, channel: string) => InboundLeg;
  /** Where the phone of any leg is. Throws MEDIA_FAILED. */
  readonly bridgeOf: (leg: LegId) => string;
  /** For calls that nobody takes. */
  readonly reject: (channel: string) => Promise<unknown>;
}

/** One fault in a listener must not take the events of all other calls with it. */
export const guarded =
  (log: Log, legId: LegId, onFact: (fact: LegFact) => void) =>
  (fact: LegFact): void => {
    try {
      onFact(fact);
    } catch (error) {
      log.error({ legId, fact: fact.type, error }, "a listener of a leg failed");
    }
  };

/** The calls that came to us. */
export const createInbound = ({ trunks, log, addLeg, bridgeOf, reject }: InboundDeps) => {
  const legs = new Map<LegId, InboundLeg>();
  let onIncoming: ((call: IncomingCall) => void) | undefined;

  const takeIn = (event: Extract<AriEvent, { type: "StasisStart" }>): void => {
    const { channel } = event;
    const incoming = readIncoming(event, trunks);
    if (incoming !== undefined && onIncoming !== undefined) {
      legs.set(incoming.legId, addLeg(incoming, channel.id));
      return onIncoming(incoming);
    }
    const reason = incoming === undefined ? "it came over no trunk of the configuration" : "the gateway is starting";
    log.warn({ channel: channel.name, reason }, "inbound call refused");
    reject(channel.id).catch((error: unknown) => log.warn({ error }, "an inbound call could not be refused"));
  };

  const accept: SipPort["accept"] = (request, onFact) => {
    const { legId } = request;
    const tell = guarded(log, legId, onFact);
    const leg = legs.get(legId);
    if (leg !== undefined) return leg.accept(request, tell);
    const cause = { text: "the caller has hung up" };
    queueMicrotask(() => tell({ type: "leg.ended", outcome: "cancelled", cause, tryNextTrunk: false }));
  };

  const answer = async (legId: LegId, bridge?: string): Promise<void> => {
    const leg = legs.get(legId);
    if (leg === undefined) throw new GatewayError("MEDIA_FAILED", "The caller has hung up");
    await leg.answer(bridge);
  };

  const port: Pick<SipPort, "onIncoming" | "accept" | "answer" | "connect"> = {
    onIncoming: (listener) => {
      onIncoming = listener;
    },
    accept,
    answer: (legId) => answer(legId),
    connect: async (caller, called) => answer(caller, bridgeOf(called)),
  };

  return {
    port,
    forget: (legId: LegId): void => void legs.delete(legId),
    /** Events of channels that we did not name. */
    handle: (event: AriChannelEvent, channel: string): void => {
      const leg = legs.get(inboundLegId(channel));
      if (leg !== undefined) leg.handle(event);
      else if (event.type === "StasisStart") takeIn(event);
    },
  };
};
