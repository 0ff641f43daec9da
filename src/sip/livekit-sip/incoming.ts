import { createHash } from "node:crypto";
import { ParticipantInfo_Kind } from "@livekit/protocol";
import type { ParticipantInfo } from "livekit-server-sdk";

import type { CallerAsSaid, IncomingCall } from "../../calls/ports.ts";
import { legId, type LegId, trunkId, type TrunkId } from "../../ids.ts";

/** Attributes of the phone that our dispatch rule sets: name of the trunk in our configuration, and whose configuration that is. */
const TRUNK_ATTRIBUTE = "mrtc.trunk";
const OWNER_ATTRIBUTE = "mrtc.gateway";
export const ruleAttributes = (owner: string, trunk: TrunkId): Record<string, string> => ({
  [OWNER_ATTRIBUTE]: owner,
  [TRUNK_ATTRIBUTE]: trunk,
});

/** SIP headers about the caller, as attributes of the phone: livekit-sip itself reads From only. */
export const CALLER_HEADERS = {
  "P-Asserted-Identity": "mrtc.asserted",
  "Remote-Party-ID": "mrtc.remote",
  From: "mrtc.from",
  Privacy: "mrtc.privacy",
} as const satisfies Readonly<Record<string, string>>;

/** Display name and user part of a name-addr or addr-spec (RFC 3261 section 20.10), sip, sips or tel. */
const NAME_ADDR = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<?\s*(?:sips?|tel):([^@;>]*)/i;
/** RFC 3323, and the same of Remote-Party-ID. */
const PRIVACY = /\b(?:id|user|header|full|uri)\b/i;
const REMOTE_PARTY_PRIVACY = /;\s*privacy="?(?:full|uri|name)/i;

/** Who calls: P-Asserted-Identity, else Remote-Party-ID, else From. */
export const readCaller = (attributes: Readonly<Record<string, string>>): CallerAsSaid => {
  const header = (name: keyof typeof CALLER_HEADERS): string => attributes[CALLER_HEADERS[name]] ?? "";
  const from = attributes["sip.phoneNumber"] ?? "";
  const said = [header("P-Asserted-Identity"), header("Remote-Party-ID"), header("From")].find((one) => one !== "");
  const [, quoted, bare = "", user = from] = NAME_ADDR.exec(said ?? "") ?? [];
  const name = (quoted?.replaceAll(/\\(.)/g, "$1") ?? bare).trim();
  const isHidden =
    PRIVACY.test(header("Privacy")) ||
    REMOTE_PARTY_PRIVACY.test(header("Remote-Party-ID")) ||
    from.toLowerCase() === "anonymous";
  return { ...(user === "" ? {} : { number: user }), ...(name === "" ? {} : { name }), isHidden };
};

const INBOUND = "in-";
/** The room's name holds the caller's number, the id of the leg must not: it is logged. */
export const inboundLegId = (room: string): LegId =>
  legId(`${INBOUND}${createHash("sha256").update(room).digest("hex").slice(0, 16)}`);
/** Ids of legs that we dial begin with a UUID. */
export const isInbound = (leg: LegId): boolean => leg.startsWith(INBOUND);

/**
 * The phone in a room of ours, once livekit-sip has put it there with its track: who refuses the call before that, by deleting the room,
 * leaves LiveKit's SDK waiting 10 s for the publication, and the caller with it.
 */
export const phoneIn = (participants: readonly ParticipantInfo[], owner: string): ParticipantInfo | undefined =>
  participants.find(
    ({ kind, attributes, tracks }) =>
      kind === ParticipantInfo_Kind.SIP && attributes[OWNER_ATTRIBUTE] === owner && tracks.length > 0,
  );

export const readIncoming = (room: string, { attributes }: ParticipantInfo): IncomingCall => ({
  legId: inboundLegId(room),
  trunkId: trunkId(attributes[TRUNK_ATTRIBUTE] ?? ""),
  called: attributes["sip.trunkPhoneNumber"] ?? "",
  caller: readCaller(attributes),
});
