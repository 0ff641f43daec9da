import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import {
  RoomConfiguration,
  SIPDispatchRule,
  SIPDispatchRuleIndividual,
  SIPDispatchRuleInfo,
  SIPInboundTrunkInfo,
  SIPMediaConfig,
} from "@livekit/protocol";
import type { SipClient } from "livekit-server-sdk";

import type { TrunkId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { CALLER_HEADERS, ruleAttributes } from "./incoming.ts";
import { INBOUND_PREFIX, ROOM_TIMEOUTS } from "./leg-room.ts";
import { ENCRYPTIONS, isOurTrunk, trunkName } from "./trunks.ts";

/** What livekit-sip has to know of a PBX to take its calls. */
export interface InboundTrunk {
  /** IP addresses, networks (CIDR) or host names of the PBX: nobody else may call over this trunk. At least one. */
  readonly addresses: readonly string[];
  /** Called numbers; none: all. LiveKit lets only one trunk have none. */
  readonly numbers: readonly string[];
  readonly mediaEncryption: keyof typeof ENCRYPTIONS;
  /** Set in livekit-sip as well, so that a dead gateway cannot leave a call billing. */
  readonly maxDurationMs: number;
}

const INTERVAL_MS = 60_000;
/** Longer than any `calls.ring_timeout`: only a dead gateway comes to it. */
const RINGING_S = 330n;

const wantedTrunk = (owner: string, id: TrunkId, trunk: InboundTrunk, sipTrunkId: string): SIPInboundTrunkInfo =>
  new SIPInboundTrunkInfo({
    sipTrunkId,
    name: trunkName(id),
    metadata: owner,
    numbers: [...trunk.numbers],
    allowedAddresses: [...trunk.addresses],
    headersToAttributes: { ...CALLER_HEADERS },
    ringingTimeout: { seconds: RINGING_S },
    maxCallDuration: { seconds: BigInt(Math.ceil(trunk.maxDurationMs / 1000)) },
    media: new SIPMediaConfig({ encryption: ENCRYPTIONS[trunk.mediaEncryption] }),
  });

/** One room per call. Never without trunk ids: such a rule takes calls of anybody who reaches livekit-sip (facts of `MatchDispatchRule`). */
const wantedRule = (owner: string, id: TrunkId, sipTrunkId: string, sipDispatchRuleId: string): SIPDispatchRuleInfo =>
  new SIPDispatchRuleInfo({
    sipDispatchRuleId,
    name: trunkName(id),
    metadata: owner,
    trunkIds: [sipTrunkId],
    rule: new SIPDispatchRule({
      rule: {
        case: "dispatchRuleIndividual",
        value: new SIPDispatchRuleIndividual({ roomPrefix: INBOUND_PREFIX }),
      },
    }),
    attributes: ruleAttributes(owner, id),
    roomConfig: new RoomConfiguration(ROOM_TIMEOUTS),
  });

const isSame = (have: { toJson(): unknown }, want: { toJson(): unknown }): boolean => {
  const { createdAt: _created, updatedAt: _updated, ...rest } = have.toJson() as Record<string, unknown>;
  return isDeepStrictEqual(rest, want.toJson());
};

/** LiveKit compares a name with the From header's, which a PBX rarely fills with its own: so it gets addresses only. */
const resolved = async (address: string): Promise<readonly string[]> =>
  address.includes("/") || isIP(address) !== 0
    ? [address]
    : (await lookup(address, { all: true })).map((one) => one.address).sort();

const ensureTrunk = async (
  sip: SipClient,
  have: SIPInboundTrunkInfo | undefined,
  owner: string,
  id: TrunkId,
  configured: InboundTrunk,
): Promise<string> => {
  const trunk = { ...configured, addresses: (await Promise.all(configured.addresses.map(resolved))).flat() };
  // The client cannot create a trunk with all its fields, so a new one is made whole by an update; no rule leads to it until then.
  const known =
    have ??
    (await sip.createSipInboundTrunk(trunkName(id), [...trunk.numbers], {
      allowedAddresses: [...trunk.addresses],
      metadata: owner,
    }));
  const want = wantedTrunk(owner, id, trunk, known.sipTrunkId);
  if (!isSame(known, want)) await sip.updateSipInboundTrunk(known.sipTrunkId, want);
  return known.sipTrunkId;
};

const ensureRule = async (
  sip: SipClient,
  have: SIPDispatchRuleInfo | undefined,
  owner: string,
  id: TrunkId,
  sipTrunkId: string,
): Promise<void> => {
  const want = wantedRule(owner, id, sipTrunkId, have?.sipDispatchRuleId ?? "");
  if (have === undefined) {
    const { name, metadata, trunkIds, attributes, roomConfig } = want;
    await sip.createSipDispatchRule(
      { type: "individual", roomPrefix: INBOUND_PREFIX },
      { name, metadata, trunkIds, attributes, ...(roomConfig === undefined ? {} : { roomConfig }) },
    );
  } else if (!isSame(have, want)) await sip.updateSipDispatchRule(have.sipDispatchRuleId, want);
};

export interface ReconcilerOptions {
  readonly sip: SipClient;
  /** Name of this gateway, the same after every start: several may use one LiveKit. */
  readonly owner: string;
  readonly wanted: ReadonlyMap<TrunkId, InboundTrunk>;
  readonly log: Log;
}

interface Named {
  readonly name: string;
  readonly metadata: string;
}

/**
 * Makes sure that LiveKit has an inbound trunk and a dispatch rule for each of these, exactly as wanted, and none of ours besides. Ours are
 * known by name and owner; those of others, other gateways too, are never touched. Idempotent. Rejects with what LiveKit says.
 */
const reconcile = async ({ sip, owner, wanted }: ReconcilerOptions): Promise<void> => {
  const [trunks, rules] = await Promise.all([sip.listSipInboundTrunk(), sip.listSipDispatchRule()]);
  const isOurs = ({ name, metadata }: Named): boolean => isOurTrunk(name) && metadata === owner;
  const find = <T extends Named>(list: readonly T[], id: TrunkId): T | undefined =>
    list.find((one) => isOurs(one) && one.name === trunkName(id));
  const kept = new Set([...wanted.keys()].flatMap((id) => [find(trunks, id), find(rules, id)]));
  // Rules first: a rule must not outlive its trunk.
  for (const rule of rules) {
    if (isOurs(rule) && !kept.has(rule)) await sip.deleteSipDispatchRule(rule.sipDispatchRuleId);
  }
  for (const trunk of trunks) {
    if (isOurs(trunk) && !kept.has(trunk)) await sip.deleteSipTrunk(trunk.sipTrunkId);
  }
  for (const [id, trunk] of wanted) {
    const sipTrunkId = await ensureTrunk(sip, find(trunks, id), owner, id, trunk);
    await ensureRule(sip, find(rules, id), owner, id, sipTrunkId);
  }
};

/** Keeps LiveKit's trunks and rules as the configuration wants them: its Redis may lose them, and people may change them. */
export const createReconciler = (options: ReconcilerOptions) => {
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  /** One at a time. Rejects with what LiveKit says. */
  const run = (): Promise<void> => {
    running ??= reconcile(options).finally(() => {
      running = undefined;
    });
    return running;
  };
  const runAndAgain = async (): Promise<void> => {
    try {
      await run();
    } catch (error) {
      options.log.warn({ error }, "LiveKit did not take the trunks for calls to us");
    }
    if (!isClosed) timer = setTimeout(() => void runAndAgain(), INTERVAL_MS).unref();
  };
  return {
    run,
    start: (): void => void runAndAgain(),
    close: (): void => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
};
