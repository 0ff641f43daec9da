import { randomUUID } from "node:crypto";
import { type GatewayError, toGatewayError } from "../errors.ts";
import { callId, type RoomId, type UserId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskDigits, maskNumber } from "../numbering/format.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import type { CallActor } from "./call-actor.ts";
import type { CallRegistry } from "./call-registry.ts";
import { type Call, createInboundCall } from "./call.ts";
import { type Caller, type CallerNames, identify } from "./caller.ts";
import { type Destination, type Dialled, type DispatchRule, findRule } from "./dispatch.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import { isBusy, type PersonPort } from "./person.ts";
import type { CallRecord, Clock, IncomingCall, RoomPort, SipPort } from "./ports.ts";
import type { Trunk } from "./trunk.ts";

export interface ReceptionDeps {
  readonly sip: Pick<SipPort, "hangup">;
  readonly rooms: Pick<RoomPort, "viewAsBot">;
  readonly people: PersonPort;
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

interface Route {
  readonly rule: string;
  readonly destination: Destination;
}

/** Takes a call that a PBX sent us: finds out who calls and where to, and lets the call run; or refuses it, with the reason in the log. */
export const createReception = (deps: ReceptionDeps): ((incoming: IncomingCall) => void) => {
  const { registry, people, rooms, trunks, plan, log } = deps;

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

  /** A rule, or who has this number. */
  const routeOf = (dialled: Dialled): Route | undefined => {
    const rule = findRule(deps.dispatchRules, dialled);
    if (rule !== undefined) return { rule: rule.name, destination: rule.destination };
    try {
      const person = people.personOf(parseNumber(dialled.called, dialled.plan));
      return person === undefined ? undefined : { rule: "directory", destination: { kind: "user", userId: person } };
    } catch {
      return undefined;
    }
  };

  const start = (
    incoming: IncomingCall,
    caller: Caller,
    to: { roomId: RoomId; person?: UserId; rule: string },
  ): void => {
    const { legId, trunkId } = incoming;
    const { rule, ...where } = to;
    const { ghost, number, name } = caller;
    const record: CallRecord = {
      callId: callId(randomUUID()),
      legId,
      direction: "inbound",
      ...where,
      ghost,
      number,
      name,
      subject: { kind: "trunk", trunkId },
      state: "routing",
      createdAtMs: deps.clock.nowMs(),
    };
    const { callId: call, roomId } = record;
    log.info({ callId: call, legId, trunkId, roomId, rule, number: maskNumber(number) }, "inbound call");
    const actor = deps.createActor(createInboundCall({ record, trunkId }));
    registry.addInbound(actor);
    actor.post({ type: "call.start" });
  };

  /** Both are calling each other: the person is in the call already, and the phone that we ring is busy with its own call. */
  const endGlare = (person: UserId, { ghost }: Caller): void => {
    for (const actor of registry.actors()) {
      const { direction, state, person: other, ghost: called } = actor.record();
      const isCrossing = direction === "outbound" && state === "alerting" && other === person && called === ghost;
      if (isCrossing) actor.post({ type: "hangup.byAdder" });
    }
  };

  const ringPerson = async (incoming: IncomingCall, caller: Caller, person: UserId, rule: string): Promise<void> => {
    const refuseAndTell = (outcome: Outcome, reason: string): void => {
      refuse(incoming, outcome, reason);
      people.missed({ person, ghost: caller.ghost, name: caller.name, outcome });
    };
    endGlare(person, caller);
    const records = registry.actors().map((actor) => actor.record());
    if (await isBusy(person, records, rooms)) return refuseAndTell("busy", "the person is in another call");
    if (!(await people.hasDevice(caller, person))) return refuseAndTell("unreachable", "the person has no device");
    const roomId = await people.chatWith(caller, person);
    if (deps.isShuttingDown()) return refuse(incoming, "shutdown", "the gateway is being stopped");
    start(incoming, caller, { roomId, person, rule });
  };

  return (incoming) => {
    const { called, trunkId } = incoming;
    const trunk = trunks.find(({ id }) => id === trunkId);
    if (trunk === undefined) return refuse(incoming, "trunk-failed", "no such trunk");
    const trunkPlan = { ...plan, country: trunk.inbound.country };
    const caller = identify(incoming.caller, trunk, trunkPlan, {
      serverName: deps.serverName,
      names: deps.callerNames,
    });
    const route: Route | undefined =
      incoming.admittedTo === undefined
        ? routeOf({ called, trunkId, caller: caller.number, plan: trunkPlan })
        : { rule: "menu", destination: { kind: "room", roomId: incoming.admittedTo } };
    if (route === undefined) return refuse(incoming, "invalid-number", "no dispatch rule for this number");
    if (deps.isShuttingDown()) return refuse(incoming, "shutdown", "the gateway is being stopped");
    const error = limitError();
    if (error !== undefined) return refuse(incoming, outcomeFromErrorCode(error.code), error.message);
    const { rule, destination } = route;
    if (destination.kind === "room") return start(incoming, caller, { roomId: destination.roomId, rule });
    ringPerson(incoming, caller, destination.userId, rule).catch((thrown: unknown) => {
      const { code, message } = toGatewayError(thrown);
      log.warn({ legId: incoming.legId, code, message }, "a person could not be rung");
      refuse(incoming, outcomeFromErrorCode(code), "the person could not be rung");
    });
  };
};
