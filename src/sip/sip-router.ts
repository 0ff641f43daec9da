import type { LegFact, SipPort } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import type { LegId, TrunkId } from "../ids.ts";

/** One SipPort over all engines: dials by the trunk's engine, and finds the engine of a leg again. */
export const createSipRouter = (engineOfTrunk: ReadonlyMap<TrunkId, SipPort>): SipPort => {
  const engines = [...new Set(engineOfTrunk.values())];
  /** Legs that were dialled or listed and have not ended. */
  const engineOfLeg = new Map<LegId, SipPort>();

  /** Incoming calls that are neither accepted nor refused. */
  const offered = new Map<LegId, SipPort>();
  const engineOf = (leg: LegId): SipPort => {
    const engine = engineOfLeg.get(leg);
    if (engine === undefined) throw new GatewayError("MEDIA_FAILED", "The phone has hung up");
    return engine;
  };
  const forgetAtEnd =
    (leg: LegId, engine: SipPort, onFact: (fact: LegFact) => void) =>
    (fact: LegFact): void => {
      if (fact.type === "leg.ended" && engineOfLeg.get(leg) === engine) engineOfLeg.delete(leg);
      onFact(fact);
    };

  return {
    onIncoming: (listener) => {
      for (const engine of engines) {
        engine.onIncoming((call) => {
          offered.set(call.legId, engine);
          listener(call);
        });
      }
    },

    accept: (request, onFact) => {
      const { legId } = request;
      const engine = offered.get(legId) ?? engineOfLeg.get(legId);
      offered.delete(legId);
      if (engine === undefined) {
        // It hung up while it was forwarded.
        const cause = { text: "the caller has hung up" };
        queueMicrotask(() => onFact({ type: "leg.ended", outcome: "cancelled", cause, tryNextTrunk: false }));
        return;
      }
      engineOfLeg.set(legId, engine);
      engine.accept(request, forgetAtEnd(legId, engine, onFact));
    },

    answer: async (leg) => engineOf(leg).answer(leg),

    connect: async (caller, called) => {
      const engine = engineOf(caller);
      if (engine.connect === undefined || engineOf(called) !== engine) {
        throw new GatewayError("BAD_REQUEST", "These trunks cannot be connected with each other.");
      }
      await engine.connect(caller, called);
    },

    dial: (request, onFact) => {
      const { legId, trunkId } = request;
      const engine = engineOfTrunk.get(trunkId);
      if (engine === undefined) {
        const cause = { text: `there is no trunk ${trunkId}` };
        queueMicrotask(() => onFact({ type: "leg.ended", outcome: "trunk-failed", cause, tryNextTrunk: true }));
        return;
      }
      engineOfLeg.set(legId, engine);
      engine.dial(request, forgetAtEnd(legId, engine, onFact));
    },

    hangup: async (leg, outcome) => {
      const engine = engineOfLeg.get(leg) ?? offered.get(leg);
      offered.delete(leg);
      // A leg of an earlier life of the gateway may be at any engine; each takes unknown legs.
      await Promise.all((engine === undefined ? engines : [engine]).map((one) => one.hangup(leg, outcome)));
    },

    renewMedia: async (leg) => engineOf(leg).renewMedia(leg),

    press: async (leg, keys) => engineOf(leg).press(leg, keys),

    transfer: async (leg, dialString) => engineOf(leg).transfer(leg, dialString),

    listLegs: async () => {
      const lists = await Promise.all(
        engines.map(async (engine) => {
          const legs = await engine.listLegs();
          for (const leg of legs) engineOfLeg.set(leg, engine);
          return legs;
        }),
      );
      return [...new Set(lists.flat())];
    },
  };
};
