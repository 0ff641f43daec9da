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
import type { CallRecord, IncomingCall, RoomPort, SipPort } from "./ports.ts";
import type { Clock } from "../clock.ts";
import { type Trunk, voiceFor } from "./trunk.ts";
import type { Voice } from "./voice.ts";

export interface ReceptionDeps {
  readonly sip: Pick<SipPort, "hangup">;
  readonly rooms: Pick<RoomPort, "newestOf" | "viewAsBot">;
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

/** Who calls, and where to. */
export interface Destined {
  readonly destination: Destination;
  /** Name of the dispatch rule. */
  readonly rule: string;
  readonly caller: Caller;
  readonly voice: Voice;
}

export interface Refusal {
  readonly outcome: Outcome;
  readonly reason: string;
}

type FindingDeps = Pick<
  ReceptionDeps,
  "rooms" | "people" | "plan" | "trunks" | "dispatchRules" | "callerNames" | "serverName"
>;

/** A rule, or who has this number. */
const routeOf = (
  { dispatchRules, people }: Pick<FindingDeps, "dispatchRules" | "people">,
  dialled: Dialled,
): Pick<Destined, "rule" | "destination"> | undefined => {
  const rule = findRule(dispatchRules, dialled);
  if (rule !== undefined) return { rule: rule.name, destination: rule.destination };
  try {
    const person = people.personOf(parseNumber(dialled.called, dialled.plan));
    return person === undefined ? undefined : { rule: "directory", destination: { kind: "user", userId: person } };
  } catch {
    return undefined;
  }
};

/** Finds out who calls and where to, or why that leads nowhere. Nothing is asked of anybody. */
export const findDestination = (deps: FindingDeps, incoming: IncomingCall): Destined | Refusal => {
  const { trunkId, called } = incoming;
  const trunk = deps.trunks.find(({ id }) => id === trunkId);
  if (trunk === undefined) return { outcome: "trunk-failed", reason: "no such trunk" };
  const plan = { ...deps.plan, country: trunk.inbound.country };
  const caller = identify(incoming.caller, trunk, plan, { serverName: deps.serverName, names: deps.callerNames });
  const route: Pick<Destined, "rule" | "destination"> | undefined =
    incoming.admittedTo === undefined
      ? routeOf(deps, { called, trunkId, caller: caller.number, plan })
      : { rule: "menu", destination: { kind: "room", roomId: incoming.admittedTo } };
  if (route === undefined) return { outcome: "invalid-number", reason: "no dispatch rule for this number" };
  const { rule, destination } = route;
  return {
    destination:
      destination.kind === "room" ? { kind: "room", roomId: deps.rooms.newestOf(destination.roomId) } : destination,
    rule,
    caller,
    voice: voiceFor(caller.number, trunk, incoming.language),
  };
};

/** Takes a call that a PBX sent us and lets it run; or refuses it, with the reason in the log. */
export const createReception = (deps: ReceptionDeps): ((incoming: IncomingCall) => void) => {
  const { registry, people, rooms, log } = deps;

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

  const start = (
    incoming: IncomingCall,
    { caller, rule, voice }: Destined,
    where: { readonly roomId: RoomId; readonly person?: UserId },
  ): void => {
    const { legId, trunkId } = incoming;
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
    // The ghost made the chat of two, or waits at the room's door.
    const inviteFirst = where.person === undefined && incoming.isInvited !== true;
    const actor = deps.createActor(createInboundCall({ record, trunkId, voice, inviteFirst }));
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

  const ringPerson = async (incoming: IncomingCall, found: Destined, person: UserId): Promise<void> => {
    const { caller } = found;
    const refuseAndTell = (refusal: Refusal): void => {
      refuse(incoming, refusal);
      people.missed({ person, ghost: caller.ghost, name: caller.name, outcome: refusal.outcome });
    };
    endGlare(person, caller);
    const records = registry.actors().map((actor) => actor.record());
    if (await isBusy(person, records, rooms)) {
      return refuseAndTell({ outcome: "busy", reason: "the person is in another call" });
    }
    if (!(await people.hasDevice(caller, person))) {
      return refuseAndTell({ outcome: "unreachable", reason: "the person has no device" });
    }
    const roomId = await people.chatWith(caller, person);
    if (deps.isShuttingDown()) return refuse(incoming, { outcome: "shutdown", reason: "the gateway is being stopped" });
    start(incoming, found, { roomId, person });
  };

  return (incoming) => {
    const found = findDestination(deps, incoming);
    if ("outcome" in found) return refuse(incoming, found);
    if (deps.isShuttingDown()) return refuse(incoming, { outcome: "shutdown", reason: "the gateway is being stopped" });
    const error = limitError();
    if (error !== undefined) {
      return refuse(incoming, { outcome: outcomeFromErrorCode(error.code), reason: error.message });
    }
    const { destination } = found;
    if (destination.kind === "room") return start(incoming, found, { roomId: destination.roomId });
    ringPerson(incoming, found, destination.userId).catch((thrown: unknown) => {
      const { code, message } = toGatewayError(thrown);
      log.warn({ legId: incoming.legId, code, message }, "a person could not be rung");
      refuse(incoming, { outcome: outcomeFromErrorCode(code), reason: "the person could not be rung" });
    });
  };
};
