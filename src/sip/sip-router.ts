import type { SipPort } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import type { LegId, TrunkId } from "../ids.ts";

/** One SipPort over all engines: dials by the trunk's engine, and finds the engine of a leg again. */
export const createSipRouter = (engineOfTrunk: ReadonlyMap<TrunkId, SipPort>): SipPort => {
  const engines = [...new Set(engineOfTrunk.values())];
  /** Legs that were dialled or listed and have not ended. */
  const engineOfLeg = new Map<LegId, SipPort>();

  return {
    dial: (request, onFact) => {
      const { legId, trunkId } = request;
      const engine = engineOfTrunk.get(trunkId);
      if (engine === undefined) {
        const cause = { text: `there is no trunk ${trunkId}` };
        queueMicrotask(() => onFact({ type: "leg.ended", outcome: "trunk-failed", cause, tryNextTrunk: true }));
        return;
      }
      engineOfLeg.set(legId, engine);
      engine.dial(request, (fact) => {
        if (fact.type === "leg.ended" && engineOfLeg.get(legId) === engine) engineOfLeg.delete(legId);
        onFact(fact);
      });
    },

    hangup: async (leg, outcome) => {
      const engine = engineOfLeg.get(leg);
      // A leg of an earlier life of the gateway may be at any engine; each takes unknown legs.
      await Promise.all((engine === undefined ? engines : [engine]).map((one) => one.hangup(leg, outcome)));
    },

    renewMedia: async (leg) => {
      const engine = engineOfLeg.get(leg);
      if (engine === undefined) throw new GatewayError("MEDIA_FAILED", "The phone has hung up");
      return await engine.renewMedia(leg);
    },

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
