import { createCall, createInboundCall, type Call, type DialTarget } from "../../../src/calls/call.ts";
import type { CallDirection, CallStateName } from "../../../src/calls/ports.ts";
import { callId, type E164, ghostUserId, legId, trunkId } from "../../../src/ids.ts";
import type { PhoneNumber } from "../../../src/numbering/phone-number.ts";
import { ALICE, ROOM } from "../../support/fake-ports.ts";

export const NUMBER: PhoneNumber = { kind: "e164", e164: "+33140506070" as E164, class: "national", country: "FR" };
export const LEG = legId("call-1");

const target = (index: number): DialTarget => ({
  legId: legId(`call-${index}`),
  trunkId: trunkId(`trunk-${index}`),
  dialString: "+33140506070",
  callerId: { kind: "anonymous" },
});

export const newCall = (trunks = 1): Call =>
  createCall({
    record: {
      callId: callId("call"),
      legId: LEG,
      direction: "outbound",
      roomId: ROOM,
      ghost: ghostUserId("@tel_+33140506070:example.org"),
      number: NUMBER,
      subject: { kind: "user", userId: ALICE },
      state: "routing",
      createdAtMs: 0,
    },
    displayName: "+33 1 40 50 60 70",
    inviteFirst: true,
    voice: { language: "en" },
    confirm: "none",
    targets: [target(1), ...Array.from({ length: trunks - 1 }, (_, index) => target(index + 2))],
  });

export const newInboundCall = (): Call => {
  const { displayName: name, record } = newCall();
  const subject = { kind: "trunk", trunkId: trunkId("trunk-1") } as const;
  const inbound = { ...record, direction: "inbound" as const, name, subject };
  return createInboundCall({
    isAnswered: false,
    record: inbound,
    trunkId: trunkId("trunk-1"),
    voice: { language: "en" },
    inviteFirst: true,
  });
};

/** `outbound`: Alice calls the phone in their chat; `inbound`: the phone calls her. */
export const newPersonalCall = (direction: CallDirection = "outbound"): Call => {
  if (direction === "outbound") {
    const call = newCall();
    return { ...call, inviteFirst: false, record: { ...call.record, person: ALICE } };
  }
  const { record } = newInboundCall();
  return createInboundCall({
    isAnswered: false,
    record: { ...record, person: ALICE },
    trunkId: trunkId("trunk-1"),
    voice: { language: "en" },
    inviteFirst: false,
  });
};

const READY = { leg: "answered", member: "published", sfu: "joined", audio: "attached" } as const;

const PARTS: Readonly<Record<CallStateName, Partial<Call>>> = {
  routing: {},
  alerting: { leg: "dialing", member: "preparing" },
  connecting: { ...READY, bridge: "opening" },
  active: { ...READY, bridge: "open" },
  ending: { ...READY, bridge: "open", releasing: ["leg", "rtc", "media"] },
  ended: { ...READY, bridge: "open" },
};

/** A call as it typically is in this state. */
export const callIn = (state: CallStateName, changes: Partial<Call> = {}): Call => {
  const call = { ...newCall(), ...PARTS[state], ...changes };
  const outcome = state === "ending" || state === "ended" ? { outcome: "completed" as const } : {};
  return { ...call, record: { ...call.record, state, ...outcome } };
};
