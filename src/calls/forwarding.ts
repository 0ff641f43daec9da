import { randomUUID } from "node:crypto";
import { callId, type RoomId, type UserId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import { ghostOf } from "../numbering/ghost-id.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { CallRegistry } from "./call-registry.ts";
import type { CallOptions, DialTarget } from "./call.ts";
import type { Destination } from "./dispatch.ts";
import type { CallPorts } from "./effect-runner.ts";
import { createForwardedCall } from "./forwarded-call.ts";
import type { IncomingCall, PolicyPort, Subject } from "./ports.ts";
import { dialTargets, type Trunk } from "./trunk.ts";

export interface ForwardingDeps {
  readonly ports: Pick<CallPorts, "sip" | "store" | "observer" | "clock">;
  readonly options: CallOptions;
  readonly policy: Pick<PolicyPort, "permits">;
  readonly plan: NumberPlan;
  readonly trunks: readonly Trunk[];
  readonly serverName: string;
  readonly registry: Pick<CallRegistry, "add" | "checkLimits">;
  readonly log: Log;
}

/** Who does not take a call, and where they want it to go. */
export interface Diversion {
  readonly incoming: IncomingCall;
  /** Number of the caller. */
  readonly from: PhoneNumber;
  readonly person: UserId;
  readonly number: PhoneNumber;
  /** Where calls to that number go that the same trunk sends us. */
  readonly leadsTo: Destination | undefined;
}

/** The next destination of a call. */
export type Next = { readonly kind: "user"; readonly userId: UserId } | { readonly kind: "number" };

export interface Forwarding {
  /** Undefined: the person may not dial this number, it leads back to them, or no way there can be connected with the caller. */
  next(diversion: Diversion): Next | undefined;
  /** Dials the number for the caller. `room`: the chat of caller and person, for the record. Throws LIMIT_REACHED. */
  dial(diversion: Diversion, room: RoomId): void;
}

export const createForwarding = (deps: ForwardingDeps): Forwarding => {
  const { ports, options, policy, plan, trunks, registry, log } = deps;

  const subjectOf = ({ person }: Diversion): Subject => ({ kind: "user", userId: person });

  /** Only Asterisk connects two of its legs. */
  const targetsOf = (diversion: Diversion, call: string): readonly DialTarget[] => {
    const able = trunks.filter(({ engine }) => engine === "asterisk");
    if (!able.some(({ id }) => id === diversion.incoming.trunkId)) return [];
    const subject = subjectOf(diversion);
    return dialTargets(diversion.number, { subject, call }, { trunks: able, country: plan.country });
  };

  return {
    next: (diversion) => {
      const { person, number, leadsTo } = diversion;
      if (!policy.permits(subjectOf(diversion), number)) return undefined;
      if (leadsTo?.kind === "user") {
        return leadsTo.userId === person ? undefined : { kind: "user", userId: leadsTo.userId };
      }
      // Rooms have doors and PINs of their own.
      return leadsTo === undefined && targetsOf(diversion, "").length > 0 ? { kind: "number" } : undefined;
    },

    dial: (diversion, roomId) => {
      const { incoming, number } = diversion;
      const subject = subjectOf(diversion);
      registry.checkLimits(subject);
      const id = callId(randomUUID());
      const [first, ...others] = targetsOf(diversion, id);
      if (first === undefined) return;
      const actor = createForwardedCall({
        ports,
        options,
        log,
        caller: incoming.legId,
        targets: [first, ...others],
        record: {
          callId: id,
          legId: first.legId,
          direction: "outbound",
          roomId,
          ghost: ghostOf(number, deps.serverName),
          number,
          forwardedFrom: diversion.from,
          subject,
          state: "routing",
          createdAtMs: ports.clock.nowMs(),
        },
      });
      log.info(
        { callId: id, legId: incoming.legId, number: maskNumber(number) },
        "an inbound call goes on to a number",
      );
      registry.add(actor);
      actor.post({ type: "call.start" });
    },
  };
};
