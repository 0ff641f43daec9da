import { randomUUID } from "node:crypto";
import { type GatewayError, toGatewayError } from "../errors.ts";
import { callId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskDigits, maskNumber } from "../numbering/format.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import type { CallActor } from "./call-actor.ts";
import type { CallRegistry } from "./call-registry.ts";
import { type Call, createInboundCall } from "./call.ts";
import { type CallerNames, identify } from "./caller.ts";
import { type DispatchRule, findRule } from "./dispatch.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import type { CallRecord, Clock, IncomingCall, SipPort } from "./ports.ts";
import type { Trunk } from "./trunk.ts";

export interface ReceptionDeps {
  readonly sip: Pick<SipPort, "hangup">;
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

/** Takes a call that a PBX sent us: finds out who calls and where to, and lets the call run; or refuses it, with the reason in the log. */
export const createReception = (deps: ReceptionDeps): ((incoming: IncomingCall) => void) => {
  const { registry, trunks, plan, log } = deps;

  const refuse = ({ legId, trunkId, called }: IncomingCall, outcome: Outcome, reason: string): void => {
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
    const { legId, trunkId, called } = incoming;
    const trunk = trunks.find(({ id }) => id === trunkId);
    if (trunk === undefined) return refuse(incoming, "trunk-failed", "no such trunk");
    const trunkPlan = { ...plan, country: trunk.inbound.country };
    const { number, ghost, name } = identify(incoming.caller, trunk, trunkPlan, {
      serverName: deps.serverName,
      names: deps.callerNames,
    });
    const rule =
      incoming.admittedTo === undefined
        ? findRule(deps.dispatchRules, { called, trunkId, caller: number, plan: trunkPlan })
        : { name: "menu", destination: { roomId: incoming.admittedTo } };
    if (rule === undefined) return refuse(incoming, "invalid-number", "no dispatch rule for this number");
    if (deps.isShuttingDown()) return refuse(incoming, "shutdown", "the gateway is being stopped");
    const error = limitError();
    if (error !== undefined) return refuse(incoming, outcomeFromErrorCode(error.code), error.message);

    const record: CallRecord = {
      callId: callId(randomUUID()),
      legId,
      direction: "inbound",
      roomId: rule.destination.roomId,
      ghost,
      number,
      name,
      subject: { kind: "trunk", trunkId },
      state: "routing",
      createdAtMs: deps.clock.nowMs(),
    };
    const { callId: call, roomId } = record;
    log.info({ callId: call, legId, trunkId, roomId, rule: rule.name, number: maskNumber(number) }, "inbound call");
    const actor = deps.createActor(createInboundCall({ record, trunkId }));
    registry.addInbound(actor);
    actor.post({ type: "call.start" });
  };
};
