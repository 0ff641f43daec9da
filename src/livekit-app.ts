/** Part of the composition root: the livekit-sip engine of the configuration. */
import { dispatchRulesOf, menuRuleOf } from "./config/domain.ts";
import type { Config } from "./config/schema.ts";
import { type TrunkId, trunkId } from "./ids.ts";
import type { Log } from "./log.ts";
import {
  createLivekitSipEngine,
  type LivekitSipEngine,
  type LivekitSipEngineOptions,
} from "./sip/livekit-sip/engine.ts";
import type { InboundTrunk } from "./sip/livekit-sip/inbound-trunks.ts";

export interface LivekitSip {
  readonly engine: LivekitSipEngine;
  readonly trunks: readonly TrunkId[];
}

/** Undefined when no trunk needs it. */
export const createLivekitSip = (
  config: Config,
  log: Log,
  press: LivekitSipEngineOptions["press"],
): LivekitSip | undefined => {
  const { livekitSip, limits } = config;
  const trunks = config.trunks.flatMap((trunk) =>
    trunk.engine === "livekit-sip" ? [[trunkId(trunk.name), trunk.livekitSip] as const] : [],
  );
  if (livekitSip === undefined || trunks.length === 0) return undefined;
  const dialledInto = new Set([...dispatchRulesOf(config), ...menuRuleOf(config)].flatMap((rule) => rule.trunks));
  const inbound = trunks
    .filter(([id]) => dialledInto.has(id))
    .map(([id, { address, inboundAddresses, inboundNumbers, mediaEncryption }]): readonly [TrunkId, InboundTrunk] => [
      id,
      {
        addresses: inboundAddresses ?? [address.replace(/:\d+$/, "")],
        numbers: inboundNumbers,
        mediaEncryption,
        maxDurationMs: limits.maxCallDuration.ms,
      },
    ]);
  const engine = createLivekitSipEngine({
    ...livekitSip,
    owner: config.homeserver.serverName,
    trunks: new Map(trunks),
    inbound: new Map(inbound),
    press,
    log,
  });
  return { engine, trunks: trunks.map(([id]) => id) };
};
