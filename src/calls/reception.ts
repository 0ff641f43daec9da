import { randomUUID } from "node:crypto";
import { type GatewayError, toGatewayError } from "../errors.ts";
import { callId, type GhostUserId, type RoomId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskDigits, maskNumber } from "../numbering/format.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { CallActor } from "./call-actor.ts";
import type { CallRegistry } from "./call-registry.ts";
import { type Call, createInboundCall } from "./call.ts";
import { type CallerNames, identify } from "./caller.ts";
import { type DispatchRule, findRule } from "./dispatch.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import type { CallRecord, Clock, IncomingCall, RoomPort, SipPort } from "./ports.ts";
import { type Trunk, voiceFor } from "./trunk.ts";
import type { Voice } from "./voice.ts";

export interface ReceptionDeps {
  readonly sip: Pick<SipPort, "hangup">;
  readonly rooms: Pick<RoomPort, "newestOf">;
  readonly clock: Clock;
  readonly plan: NumberPlan;
  readonly trunks: readonly Trunk[];
  readonly dispatchRules: readonly DispatchRule[];
  readonly callerNames: CallerNames;
  readonly serverName: string;
  readonly registry: CallRegistry;
  readonly createActor: (call: Call) => CallActor;
  readonly isShuttingDown: () => boolean;
  readonly log: Log;
}

/** Who calls, and where to. */
export interface Destined {
  readonly roomId: RoomId;
  /** Name of the dispatch rule. */
  readonly rule: string;
  readonly number: PhoneNumber;
  readonly ghost: GhostUserId;
  /** As the room may see it. */
  readonly name: string;
  readonly voice: Voice;
}

export interface Refusal {
  readonly outcome: Outcome;
  readonly reason: string;
}

type FindingDeps = Pick<ReceptionDeps, "rooms" | "plan" | "trunks" | "dispatchRules" | "callerNames" | "serverName">;

/** Finds out who calls and where to, or why that leads nowhere. Nothing is asked of anybody. */
export const findDestination = (deps: FindingDeps, incoming: IncomingCall): Destined | Refusal => {
  const { trunkId, called } = incoming;
  const trunk = deps.trunks.find(({ id }) => id === trunkId);
  if (trunk === undefined) return { outcome: "trunk-failed", reason: "no such trunk" };
  const plan = { ...deps.plan, country: trunk.inbound.country };
  const caller = identify(incoming.caller, trunk, plan, { serverName: deps.serverName, names: deps.callerNames });
  const rule =
    incoming.admittedTo === undefined
      ? findRule(deps.dispatchRules, { called, trunkId, caller: caller.number, plan })
      : { name: "menu", destination: { roomId: incoming.admittedTo } };
  if (rule === undefined) return { outcome: "invalid-number", reason: "no dispatch rule for this number" };
  const roomId = deps.rooms.newestOf(rule.destination.roomId);
  return { ...caller, roomId, rule: rule.name, voice: voiceFor(caller.number, trunk, incoming.language) };
};

/** Takes a call that a PBX sent us and lets it run; or refuses it, with the reason in the log. */
export const createReception = (deps: ReceptionDeps): ((incoming: IncomingCall) => void) => {
  const { registry, log } = deps;

  const refuse = ({ legId, trunkId, called }: IncomingCall, { outcome, reason }: Refusal): void => {
    log.info({ legId, trunkId, called: maskDigits(called.slice(0, 40)), outcome, reason }, "inbound call refused");
    void deps.sip.hangup(legId, outcome);
  };

  const limitError = (): GatewayError | undefined => {
    try {
      registry.checkInboundLimit();
      return undefined;
    } catch (thrown) {
      return toGatewayError(thrown);
    }
  };

  return (incoming) => {
    const { legId, trunkId } = incoming;
    const found = findDestination(deps, incoming);
    if ("outcome" in found) return refuse(incoming, found);
    if (deps.isShuttingDown()) return refuse(incoming, { outcome: "shutdown", reason: "the gateway is being stopped" });
    const error = limitError();
    if (error !== undefined)
      return refuse(incoming, { outcome: outcomeFromErrorCode(error.code), reason: error.message });

    const { roomId, ghost, number, name, voice } = found;
    const record: CallRecord = {
      callId: callId(randomUUID()),
      legId,
      direction: "inbound",
      roomId,
      ghost,
      number,
      name,
      subject: { kind: "trunk", trunkId },
      state: "routing",
      createdAtMs: deps.clock.nowMs(),
    };
    const { callId: call } = record;
    log.info({ callId: call, legId, trunkId, roomId, rule: found.rule, number: maskNumber(number) }, "inbound call");
    const inviteFirst = incoming.isInvited !== true;
    const actor = deps.createActor(createInboundCall({ record, trunkId, voice, inviteFirst }));
    registry.addInbound(actor);
    actor.post({ type: "call.start" });
  };
};
