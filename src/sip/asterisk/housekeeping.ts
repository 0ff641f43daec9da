import { OUTCOME_FACTS } from "../../calls/outcome.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { AriBridge, AriChannel, AriRest } from "./ari-rest.ts";
import { inboundChannelOf, inboundLegId, ownedName } from "./channel-names.ts";

interface Found {
  readonly channels: readonly AriChannel[];
  readonly bridges: readonly AriBridge[];
}

/** Finds and removes what belongs to a leg by its names alone, also for legs of an earlier life of the gateway. Rejects with AriError. */
export const createHousekeeping = (ari: AriRest, app: string) => {
  const find = async (): Promise<Found> => {
    const [channels, bridges] = await Promise.all([ari.listChannels(), ari.listBridges()]);
    return { channels, bridges };
  };

  const removeFrom = async ({ channels, bridges }: Found, leg: LegId): Promise<void> => {
    const isOfLeg = ({ id }: { readonly id: string }): boolean =>
      ownedName(app, id)?.leg === leg || id === inboundChannelOf(leg);
    await Promise.all([
      ...channels.filter(isOfLeg).map(({ id }) => ari.hangup(id, OUTCOME_FACTS.completed.q850)),
      ...bridges.filter(isOfLeg).map(({ id }) => ari.removeBridge(id)),
    ]);
  };

  /** A channel that the dialplan put into our application. */
  const isInbound = ({ id, dialplan }: AriChannel): boolean =>
    ownedName(app, id) === undefined &&
    dialplan?.app_name === "Stasis" &&
    (dialplan.app_data ?? "").split(",")[0] === app;

  const phonesIn = (channels: readonly AriChannel[]): readonly LegId[] => {
    const owned = channels.flatMap(({ id }) => ownedName(app, id) ?? []);
    const dialled = owned.filter(({ kind }) => kind === "phone").map(({ leg }) => leg);
    const inbound = channels.filter(isInbound).map(({ id }) => inboundLegId(id));
    return [...new Set([...dialled, ...inbound])];
  };

  return {
    find,
    remove: async (leg: LegId): Promise<void> => removeFrom(await find(), leg),
    /** Rejects with TRUNK_UNAVAILABLE. */
    listPhones: async (): Promise<readonly LegId[]> => {
      try {
        return phonesIn(await ari.listChannels());
      } catch (error) {
        const message = "Asterisk (ARI) does not list its calls";
        throw new GatewayError("TRUNK_UNAVAILABLE", message, { cause: error, retryable: true });
      }
    },

    /** Legs of which something is there, but no phone: what a dead gateway left when the phone hung up later. */
    withoutPhone: ({ channels, bridges }: Found): readonly LegId[] => {
      const phones = new Set(phonesIn(channels));
      const legs = [...channels, ...bridges].flatMap(({ id }) => ownedName(app, id)?.leg ?? []);
      return [...new Set(legs)].filter((leg) => !phones.has(leg));
    },
  };
};
