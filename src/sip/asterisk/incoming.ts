import type { IncomingCall } from "../../calls/ports.ts";
import type { TrunkId } from "../../ids.ts";
import type { AriEvent } from "./ari-events.ts";
import { inboundLegId } from "./channel-names.ts";
import type { AsteriskTrunk } from "./options.ts";

type StasisStart = Extract<AriEvent, { type: "StasisStart" }>;

/** `PJSIP/xivo-0000001f`: the endpoint may hold dashes itself. */
const CHANNEL_NAME = /^PJSIP\/(.+)-[0-9a-f]{8,}$/;
const NO_NUMBER: ReadonlySet<string> = new Set(["", "anonymous", "unavailable", "unknown", "restricted", "private"]);

const trunkOf = (name: string, trunks: ReadonlyMap<TrunkId, AsteriskTrunk>): TrunkId | undefined => {
  const endpoint = CHANNEL_NAME.exec(name)?.[1];
  return [...trunks].find(([, trunk]) => trunk.endpoint === endpoint)?.[0];
};

/**
 * A call of the shipped dialplan: `Stasis(app,${EXTEN},${CALLERID(pres)})`. The caller is what Asterisk made of P-Asserted-Identity,
 * Remote-Party-ID or From, by the endpoint's `trust_id_inbound`. Undefined when no trunk of ours brought it.
 */
export const readIncoming = (
  { channel, args }: StasisStart,
  trunks: ReadonlyMap<TrunkId, AsteriskTrunk>,
): IncomingCall | undefined => {
  const trunkId = trunkOf(channel.name, trunks);
  if (trunkId === undefined) return undefined;
  const [called = "", presentation = ""] = args;
  const { number = "", name = "" } = channel.caller ?? {};
  return {
    legId: inboundLegId(channel.id),
    trunkId,
    called,
    caller: {
      ...(NO_NUMBER.has(number.toLowerCase()) ? {} : { number }),
      ...(name === "" ? {} : { name }),
      isHidden: presentation.startsWith("prohib"),
    },
  };
};
