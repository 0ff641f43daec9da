/**
 * What livekit-server decides about a call that comes to livekit-sip: trunk, dispatch rule, room and identity. After `sip/sip.go` of
 * livekit/protocol (MatchTrunk, MatchDispatchRule, EvaluateDispatchRule) as of livekit-server 1.13.5; without PINs and priorities.
 */
import { randomBytes } from "node:crypto";
import { BlockList, isIP } from "node:net";
import type { RoomConfiguration, SIPDispatchRuleInfo, SIPInboundTrunkInfo } from "livekit-server-sdk";

export interface InboundCall {
  readonly sourceAddress: string;
  readonly from: { readonly user: string; readonly host: string };
  /** User part of the To header. */
  readonly called: string;
}

export interface Dispatch {
  readonly room: string;
  readonly identity: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** For the room, if this participant makes it. */
  readonly roomConfig?: RoomConfiguration;
}

/** Digits and the plus: `1001` and `+1001` are one number for trunks. */
const normalized = (number: string): string => (/^\+?\d+$/.test(number) ? `+${number.replace("+", "")}` : number);

const isIn = (address: string, allowed: string): boolean => {
  const [network = "", bits] = allowed.split("/");
  const family = isIP(network) === 6 ? "ipv6" : "ipv4";
  if (isIP(network) === 0) return false;
  const list = new BlockList();
  if (bits === undefined) list.addAddress(network, family);
  else list.addSubnet(network, Number(bits), family);
  return list.check(address, family);
};

const mayCall = (trunk: SIPInboundTrunkInfo, { sourceAddress, from }: InboundCall): boolean =>
  (trunk.allowedNumbers.length === 0 ||
    trunk.allowedNumbers.some((one) => normalized(one) === normalized(from.user))) &&
  (trunk.allowedAddresses.length === 0 ||
    trunk.allowedAddresses.some((one) => one === from.host || isIn(sourceAddress, one)));

/** The trunk with the number, else the one without numbers. Throws when two fit equally. */
export const matchTrunk = (
  trunks: readonly SIPInboundTrunkInfo[],
  call: InboundCall,
): SIPInboundTrunkInfo | undefined => {
  const allowed = trunks.filter((trunk) => mayCall(trunk, call));
  const byNumber = allowed.filter(({ numbers }) => numbers.some((one) => normalized(one) === normalized(call.called)));
  const fitting = byNumber.length > 0 ? byNumber : allowed.filter(({ numbers }) => numbers.length === 0);
  if (fitting.length > 1) throw new Error("Multiple SIP Trunks matched");
  return fitting[0];
};

/** A rule that names the trunk, else one that names none: such a rule takes calls that came over no trunk as well. */
export const matchRule = (
  rules: readonly SIPDispatchRuleInfo[],
  trunk: SIPInboundTrunkInfo | undefined,
  call: InboundCall,
): SIPDispatchRuleInfo | undefined => {
  const fitting = rules.filter(
    ({ numbers, inboundNumbers }) =>
      (numbers.length === 0 || numbers.includes(call.called)) &&
      (inboundNumbers.length === 0 || inboundNumbers.includes(call.from.user)),
  );
  const ofTrunk = fitting.find(({ trunkIds }) => trunk !== undefined && trunkIds.includes(trunk.sipTrunkId));
  return ofTrunk ?? fitting.find(({ trunkIds }) => trunkIds.length === 0);
};

const random = (): string => randomBytes(9).toString("base64url").replaceAll(/[-_]/g, "0");

const roomOf = ({ rule }: SIPDispatchRuleInfo, { called, from }: InboundCall): string => {
  const kind = rule?.rule;
  switch (kind?.case) {
    case "dispatchRuleDirect":
      return kind.value.roomName;
    case "dispatchRuleIndividual":
      return `${kind.value.roomPrefix}_${from.user}${kind.value.noRandomness ? "" : `_${random()}`}`;
    case "dispatchRuleCallee":
      return `${kind.value.roomPrefix}_${called}${kind.value.randomize ? `_${random()}` : ""}`;
    case undefined:
      throw new Error("a dispatch rule without a rule");
  }
};

export const evaluate = (
  info: SIPDispatchRuleInfo,
  trunk: SIPInboundTrunkInfo | undefined,
  call: InboundCall,
): Dispatch => ({
  room: roomOf(info, call),
  identity: `sip_${call.from.user}`,
  name: `Phone ${call.from.user}`,
  ...(info.roomConfig === undefined ? {} : { roomConfig: info.roomConfig }),
  attributes: {
    ...info.attributes,
    "sip.trunkID": trunk?.sipTrunkId ?? "",
    "sip.ruleID": info.sipDispatchRuleId,
    "sip.phoneNumber": call.from.user,
    "sip.hostname": call.from.host,
    "sip.trunkPhoneNumber": call.called,
  },
});
