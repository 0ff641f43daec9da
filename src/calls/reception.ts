import { randomUUID } from "node:crypto";
import { type GatewayError, toGatewayError } from "../errors.ts";
import { callId } from "../ids.ts";
import { maskDigits, maskNumber } from "../numbering/format.ts";
import { parseNumber } from "../numbering/parse.ts";
import { canonicalDigits } from "../numbering/phone-number.ts";
import type { CallActor } from "./call-actor.ts";
import type { CallRegistry } from "./call-registry.ts";
import { type Call, createInboundCall } from "./call.ts";
import { type Caller, type CallerNames, identify } from "./caller.ts";
import { type Destination, type Dialled, type DispatchRule, findRule } from "./dispatch.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import { createForwarding, type ForwardingDeps } from "./forwarding.ts";
import type { PersonPort } from "./person.ts";
import { createPersonReception, type Ringing } from "./person-reception.ts";
import type { CallRecord, IncomingCall, PolicyPort, RoomPort, SipPort } from "./ports.ts";
import type { Clock } from "../clock.ts";
import { voiceFor } from "./trunk.ts";
import type { Voice } from "./voice.ts";

export interface ReceptionDeps extends ForwardingDeps {
  readonly sip: Pick<SipPort, "hangup">;
  readonly rooms: Pick<RoomPort, "newestOf" | "viewAsBot">;
  readonly people: PersonPort;
  readonly policy: PolicyPort;
  readonly clock: Clock;
  readonly dispatchRules: readonly DispatchRule[];
  readonly callerNames: CallerNames;
  readonly registry: CallRegistry;
  readonly createActor: (call: Call, forward?: (record: CallRecord) => void) => CallActor;
  readonly isShuttingDown: () => boolean;
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
    const number = parseNumber(dialled.called, dialled.plan);
    const person = people.personOf(number);
    if (person === undefined) return undefined;
    const forward = people.forwardOf(number);
    const where = { kind: "user", userId: person, ...(forward === undefined ? {} : { forward }) } as const;
    return { rule: "directory", destination: where };
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

  const start = (
    incoming: IncomingCall,
    { caller, rule, voice }: Destined,
    { roomId, person, ghost = caller.ghost, ...ringing }: Partial<Ringing> & Pick<Ringing, "roomId">,
    forward?: (record: CallRecord) => void,
  ): void => {
    const { legId, trunkId } = incoming;
    const { number, name } = caller;
    const record: CallRecord = {
      callId: callId(randomUUID()),
      legId,
      direction: "inbound",
      roomId,
      ...(person === undefined ? {} : { person }),
      ghost,
      number,
      name,
      subject: { kind: "trunk", trunkId },
      state: "routing",
      createdAtMs: deps.clock.nowMs(),
    };
    log.info({ callId: record.callId, legId, trunkId, roomId, rule, number: maskNumber(number) }, "inbound call");
    // The ghost made the chat of two, or waits at the room's door.
    const inviteFirst = person === undefined && incoming.isInvited !== true;
    const isAnswered = incoming.admittedTo !== undefined;
    const call = createInboundCall({ record, trunkId, voice, inviteFirst, isAnswered, ...ringing });
    const actor = deps.createActor(call, forward);
    registry.add(actor);
    actor.post({ type: "call.start" });
  };

  const ringPerson = createPersonReception({
    ...deps,
    forwarding: createForwarding(deps),
    refuse,
    start,
    leadsTo: (number, { trunkId }, caller) => {
      const dialled = { called: canonicalDigits(number), trunkId, caller: caller.number, plan: deps.plan };
      return routeOf(deps, dialled)?.destination;
    },
  });

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
    ringPerson(incoming, found, destination);
  };
};
