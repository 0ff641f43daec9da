import { GatewayError } from "../errors.ts";
import { viewRoom } from "./admission.ts";
import { type CallRegistry, isSameSubject } from "./call-registry.ts";
import type { CallStore } from "./call-store.ts";
import type { CallRecord, CallService, RoomPort, Subject } from "./ports.ts";

export interface CallOrdersDeps {
  readonly registry: CallRegistry;
  readonly rooms: RoomPort;
  readonly store: Pick<CallStore, "get">;
}

/** What people and programs may want of a call that runs. */
export type CallOrders = Pick<CallService, "hangup">;

/** Who added the phone, and the person of a one-to-one call. */
const isOwn = (record: CallRecord, subject: Subject): boolean =>
  isSameSubject(subject, record.subject) || (subject.kind === "user" && subject.userId === record.person);

export const createCallOrders = ({ registry, rooms, store }: CallOrdersDeps): CallOrders => ({
  hangup: async ({ callId: id, subject }) => {
    const actor = registry.actor(id);
    const record = actor?.record() ?? store.get(id);
    if (record === undefined) throw new GatewayError("CALL_NOT_FOUND", "There is no such call.");
    if (isOwn(record, subject)) {
      actor?.post({ type: "hangup.byAdder" });
    } else {
      const { roomId, ghost } = record;
      const mayKick =
        subject.kind === "user" &&
        actor !== undefined &&
        (await viewRoom(rooms, { roomId, via: "invite" }, ghost)).canKick(subject.userId);
      if (!mayKick) {
        throw new GatewayError("NOT_YOUR_CALL", "Only who added this phone, and members who may kick, can hang it up.");
      }
      actor?.post({ type: "hangup.byModerator" });
    }
    return actor?.record() ?? record;
  },
});
