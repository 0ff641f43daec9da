import { SIPMediaConfig, SIPMediaEncryption, SIPOutboundTrunkInfo, SIPTransport } from "@livekit/protocol";
import type { SipClient } from "livekit-server-sdk";
import type { TrunkId } from "../../ids.ts";

/** An outbound trunk of livekit-sip, as `sip-trunks/*.yaml` describes it. */
export interface LivekitSipTrunk {
  /** `host:port` of the PBX, without `sip:`. */
  readonly address: string;
  /** Numbers that may stand in the From header; at least one. */
  readonly numbers: readonly string[];
  readonly transport: "udp" | "tcp" | "tls";
  readonly authUsername?: string;
  readonly authPassword?: string;
  /** SRTP by SDES. `allow` is not offered: livekit-sip then sends RTP/SAVP, which a plain PBX refuses. */
  readonly mediaEncryption: "disable" | "require";
}

const TRANSPORTS = {
  udp: SIPTransport.SIP_TRANSPORT_UDP,
  tcp: SIPTransport.SIP_TRANSPORT_TCP,
  tls: SIPTransport.SIP_TRANSPORT_TLS,
} as const;
export const ENCRYPTIONS = {
  disable: SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE,
  require: SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE,
} as const;

/** Marks our trunks and rules among those of others, which are never touched. */
const OURS = "mrtc-sip-gateway:";
export const trunkName = (trunk: TrunkId): string => `${OURS}${trunk}`;
export const isOurTrunk = (name: string): boolean => name.startsWith(OURS);

const wantedInfo = (id: TrunkId, trunk: LivekitSipTrunk, sipTrunkId: string): SIPOutboundTrunkInfo =>
  new SIPOutboundTrunkInfo({
    sipTrunkId,
    name: trunkName(id),
    address: trunk.address,
    numbers: [...trunk.numbers],
    transport: TRANSPORTS[trunk.transport],
    authUsername: trunk.authUsername ?? "",
    authPassword: trunk.authPassword ?? "",
    media: new SIPMediaConfig({ encryption: ENCRYPTIONS[trunk.mediaEncryption] }),
  });

const fits = (have: SIPOutboundTrunkInfo, want: SIPOutboundTrunkInfo): boolean =>
  have.address === want.address &&
  have.transport === want.transport &&
  have.authUsername === want.authUsername &&
  have.authPassword === want.authPassword &&
  (have.media?.encryption ?? SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE) === want.media?.encryption &&
  have.numbers.length === want.numbers.length &&
  have.numbers.every((number, index) => number === want.numbers[index]);

/**
 * Makes sure that livekit-sip knows this trunk exactly as configured, and returns its id there. Idempotent: our trunk is found
 * by its name, replaced when it differs, and created when it is missing.
 */
export const ensureOutboundTrunk = async (sip: SipClient, id: TrunkId, trunk: LivekitSipTrunk): Promise<string> => {
  const existing = (await sip.listSipOutboundTrunk()).find((candidate) => candidate.name === trunkName(id));
  if (existing === undefined) {
    const want = wantedInfo(id, trunk, "");
    const created = await sip.createSipOutboundTrunk(want.name, want.address, want.numbers, {
      transport: want.transport,
      authUsername: want.authUsername,
      authPassword: want.authPassword,
      ...(want.media === undefined ? {} : { media: want.media }),
    });
    return created.sipTrunkId;
  }
  const want = wantedInfo(id, trunk, existing.sipTrunkId);
  if (!fits(existing, want)) await sip.updateSipOutboundTrunk(existing.sipTrunkId, want);
  return existing.sipTrunkId;
};
