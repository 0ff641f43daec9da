import { toGatewayError } from "../errors.ts";
import type { RoomId, UserId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { CallRegistry } from "./call-registry.ts";
import type { CallOptions } from "./call.ts";
import type { Caller } from "./caller.ts";
import type { Destination } from "./dispatch.ts";
import { type Forward, forwardTarget, mapForward } from "./forward.ts";
import type { Diversion, Forwarding } from "./forwarding.ts";
import { type Outcome, outcomeFromErrorCode } from "./outcome.ts";
import { isBusy, type PersonPort, type RingingPlace } from "./person.ts";
import type { CallRecord, IncomingCall, PolicyPort, RoomPort } from "./ports.ts";
import type { Destined, Refusal } from "./reception.ts";

/** How a person is called. */
export interface Ringing extends RingingPlace {
  readonly person: UserId;
  readonly forward?: Forward;
  readonly ringTimeoutMs?: number;
}

export interface PersonReceptionDeps {
  readonly people: PersonPort;
  readonly rooms: Pick<RoomPort, "viewAsBot">;
  readonly policy: Pick<PolicyPort, "mayBeCalled">;
  readonly registry: Pick<CallRegistry, "actors">;
  readonly options: Pick<CallOptions, "forwardAfterMs">;
  readonly forwarding: Forwarding;
  /** Where calls to this number go that come the same way. */
  readonly leadsTo: (number: PhoneNumber, incoming: IncomingCall, caller: Caller) => Destination | undefined;
  readonly refuse: (incoming: IncomingCall, refusal: Refusal) => void;
  /** Lets the call run. `forward`: takes over its leg, should it go on somewhere else. */
  readonly start: (
    incoming: IncomingCall,
    found: Destined,
    where: Ringing,
    forward: (record: CallRecord) => void,
  ) => void;
  readonly isShuttingDown: () => boolean;
  readonly log: Log;
}

interface Visit {
  readonly incoming: IncomingCall;
  readonly found: Destined;
  readonly person: UserId;
  /** Where it goes on. Nowhere for a call that was forwarded: that happens once. */
  readonly forward: Forward;
}

/** Rings a person for a call that came in, or tries the next destination. */
export type RingPerson = (
  incoming: IncomingCall,
  found: Destined,
  destination: Extract<Destination, { kind: "user" }>,
) => void;

export const createPersonReception = (deps: PersonReceptionDeps): RingPerson => {
  const { people, rooms, policy, registry, options, forwarding, refuse, start, isShuttingDown, log } = deps;

  const diversionOf = ({ incoming, found, person }: Omit<Visit, "forward">, number: PhoneNumber): Diversion => {
    const { caller } = found;
    return { incoming, from: caller.number, person, number, leadsTo: deps.leadsTo(number, incoming, caller) };
  };

  /** What is permitted to the person, and can be connected. */
  const possible = (visit: Omit<Visit, "forward">, forward: Forward): Forward =>
    mapForward(forward, (number) => {
      if (forwarding.next(diversionOf(visit, number)) !== undefined) return number;
      const { legId } = visit.incoming;
      log.warn({ legId, number: maskNumber(number) }, "a call cannot be forwarded there: not permitted, or no way");
      return undefined;
    });

  /** Both are calling each other: the person is in the call already, and the phone that we ring is busy with its own call. */
  const endGlare = (person: UserId, { ghost }: Caller): void => {
    for (const actor of registry.actors()) {
      const { direction, state, person: other, ghost: called } = actor.record();
      const isCrossing = direction === "outbound" && state === "alerting" && other === person && called === ghost;
      if (isCrossing) actor.post({ type: "hangup.byAdder" });
    }
  };

  /** The caller, whose phone rings or hears nothing yet, gets the outcome unless there is somewhere to go on to. */
  const goOn = async (visit: Visit, number: PhoneNumber, outcome: Outcome, room?: RoomId): Promise<void> => {
    const { incoming, found, person } = visit;
    const diversion = diversionOf(visit, number);
    const next = forwarding.next(diversion);
    if (next === undefined) return refuse(incoming, { outcome, reason: "the next destination is gone" });
    const fields = { legId: incoming.legId, trunkId: incoming.trunkId, number: maskNumber(number), outcome };
    log.info(fields, "inbound call forwarded");
    if (next.kind === "user") return ring({ ...visit, person: next.userId, forward: {} });
    const roomId = room ?? (await people.chatWith(found.caller, person)).roomId;
    try {
      forwarding.dial(diversion, roomId);
    } catch (thrown) {
      refuse(incoming, { outcome, reason: toGatewayError(thrown).message });
    }
  };

  const notRung = async (visit: Visit, refusal: Refusal): Promise<void> => {
    const { incoming, found, person, forward } = visit;
    const { ghost, name } = found.caller;
    const { outcome } = refusal;
    const number = forwardTarget(forward, outcome);
    people.missed({ person, ghost, name, outcome, ...(number === undefined ? {} : { forwardedTo: number }) });
    return number === undefined ? refuse(incoming, refusal) : goOn(visit, number, outcome);
  };

  const ring = async (visit: Visit): Promise<void> => {
    const { incoming, found, person, forward } = visit;
    const { caller } = found;
    if (!policy.mayBeCalled(person)) {
      return notRung(visit, { outcome: "not-permitted", reason: "phones may not ring this person" });
    }
    endGlare(person, caller);
    const records = registry.actors().map((actor) => actor.record());
    if (await isBusy(person, records, rooms)) {
      return notRung(visit, { outcome: "busy", reason: "the person is in another call" });
    }
    // Also for who cannot be rung: it is said there.
    const chat = people.chatWith(caller, person);
    chat.catch(() => {});
    if (!(await people.hasDevice(caller, person))) {
      return notRung(visit, { outcome: "unreachable", reason: "the person has no device" });
    }
    const place = await chat;
    if (isShuttingDown()) return refuse(incoming, { outcome: "shutdown", reason: "the gateway is being stopped" });
    const ringTimeoutMs = forward.noAnswer === undefined ? {} : { ringTimeoutMs: options.forwardAfterMs };
    start(
      incoming,
      found,
      { ...place, person, forward, ...ringTimeoutMs },
      ({ forwardedTo, outcome = "no-answer" }) => {
        if (forwardedTo !== undefined) attempt(incoming, goOn(visit, forwardedTo, outcome, place.roomId));
      },
    );
  };

  const attempt = (incoming: IncomingCall, work: Promise<void>): void => {
    work.catch((thrown: unknown) => {
      const { code, message } = toGatewayError(thrown);
      log.warn({ legId: incoming.legId, code, message }, "a person could not be rung");
      refuse(incoming, { outcome: outcomeFromErrorCode(code), reason: "the person could not be rung" });
    });
  };

  return (incoming, found, { userId: person, forward = {} }) => {
    attempt(incoming, ring({ incoming, found, person, forward: possible({ incoming, found, person }, forward) }));
  };
};
