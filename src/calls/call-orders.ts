import { GatewayError } from "../errors.ts";
import type { CallId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import type { CallActor } from "./call-actor.ts";
import { type CallRegistry, isSameSubject } from "./call-registry.ts";
import type { CallStore } from "./call-store.ts";
import { mayModerate } from "./moderation.ts";
import type { CallRecord, CallService, PolicyPort, RoomPort, SipPort, Subject } from "./ports.ts";
import { dialString, type Trunk } from "./trunk.ts";

export interface CallOrdersDeps {
  readonly registry: CallRegistry;
  readonly rooms: RoomPort;
  readonly store: Pick<CallStore, "get">;
  readonly sip: Pick<SipPort, "press" | "transfer">;
  readonly policy: PolicyPort;
  readonly plan: NumberPlan;
  readonly trunks: readonly Trunk[];
}

/** What people and programs may want of a call that runs. */
export type CallOrders = Pick<CallService, "hangup" | "press" | "transfer">;

/** Who added the phone, and the person of a one-to-one call. */
const isOwn = (record: CallRecord, subject: Subject): boolean =>
  isSameSubject(subject, record.subject) || (subject.kind === "user" && subject.userId === record.person);

const KEYS = /^[0-9A-D*#]{1,64}$/;

export const createCallOrders = ({ registry, rooms, store, sip, ...deps }: CallOrdersDeps): CallOrders => {
  const recordOf = (id: CallId): CallRecord => {
    const record = registry.actor(id)?.record() ?? store.get(id);
    if (record === undefined) throw new GatewayError("CALL_NOT_FOUND", "There is no such call.");
    return record;
  };

  const activeActor = (id: CallId): CallActor => {
    const actor = registry.actor(id);
    if (actor?.record().state === "active") return actor;
    throw new GatewayError("CALL_NOT_FOUND", "This phone is not in a call yet, or no more.");
  };

  /** Rejects with NOT_YOUR_CALL, unless the call is the subject's own, or they may kick where it runs. */
  const claim = async (record: CallRecord, subject: Subject): Promise<"own" | "moderated"> => {
    if (isOwn(record, subject)) return "own";
    const isRunning = registry.actor(record.callId) !== undefined;
    if (isRunning && (await mayModerate(rooms, subject, record))) return "moderated";
    throw new GatewayError("NOT_YOUR_CALL", "Only who added this phone, and members who may kick, can do this.");
  };

  return {
    hangup: async ({ callId: id, subject }) => {
      const record = recordOf(id);
      const claimed = await claim(record, subject);
      const actor = registry.actor(id);
      actor?.post({ type: claimed === "own" ? "hangup.byAdder" : "hangup.byModerator" });
      return actor?.record() ?? record;
    },
    press: async ({ callId: id, subject, keys }) => {
      const written = keys.replaceAll(/\s/g, "").toUpperCase();
      // What they spell may be secret: it is in no error and in no log.
      if (!KEYS.test(written)) throw new GatewayError("BAD_REQUEST", "Keys are digits, * and #, 64 at most.");
      await claim(recordOf(id), subject);
      await sip.press(activeActor(id).record().legId, written);
    },
    transfer: async ({ callId: id, subject, number: text }) => {
      const number = parseNumber(text, deps.plan);
      await claim(recordOf(id), subject);
      const actor = activeActor(id);
      const trunk = deps.trunks.find((one) => one.id === actor.trunkId());
      if (trunk === undefined) throw new GatewayError("NO_ROUTE", "The trunk of this call is gone.");
      deps.policy.authorize(subject, number);
      actor.post({ type: "transfer.asked" });
      try {
        await sip.transfer(actor.record().legId, dialString(number, trunk, deps.plan.country));
      } catch (error) {
        actor.post({ type: "transfer.failed" });
        throw error;
      }
    },
  };
};
