import type { CallId, RoomId } from "../ids.ts";
import type { Worker } from "./worker-set.ts";

/** Calls whose members are kept; beyond it the oldest is forgotten (a call that never joined is never left). */
const MAX_CALLS = 1000;

interface Phone {
  readonly worker: Worker;
  readonly roomId: RoomId;
  /** LiveKit identity of its ghost. */
  readonly identity: string;
}

/** Tells workers who is in the conference of their calls: members as Matrix knows them, and our own phones. */
export interface Members {
  /** Members without our phones; kept for a join that comes later, or again. */
  set(callId: CallId, identities: readonly string[]): void;
  /** As they were told last. */
  of(callId: CallId): readonly string[];
  /** A worker has just been asked to join this call. */
  joined(callId: CallId): void;
  /** A phone of this room is gone from its worker. */
  left(roomId: RoomId, worker: Worker): void;
  drop(callId: CallId): void;
}

const isSame = (one: readonly string[] | undefined, other: readonly string[]): boolean =>
  one?.length === other.length && one.every((identity, i) => identity === other[i]);

/** @param onSet a call knows other members than before */
export const createMembers = (phones: ReadonlyMap<CallId, Phone>, onSet: (callId: CallId) => void): Members => {
  const members = new Map<CallId, readonly string[]>();
  const inRoom = (roomId: RoomId): readonly (readonly [CallId, Phone])[] =>
    [...phones].filter(([, phone]) => phone.roomId === roomId);

  const send = (callId: CallId): void => {
    const phone = phones.get(callId);
    if (phone === undefined) return;
    // Phones of the same worker are among them; it knows that it hears those itself.
    const others = inRoom(phone.roomId).flatMap(([id, { identity }]) => (id === callId ? [] : [identity]));
    phone.worker.process.sendMembers({ callId, identities: [...(members.get(callId) ?? []), ...others] });
  };

  /** A phone came to this worker or left it: those in other workers hear it through the SFU, or did. */
  const sendToAll = (roomId: RoomId, worker: Worker): void => {
    const all = inRoom(roomId);
    if (all.every(([, phone]) => phone.worker === worker)) return;
    for (const [callId] of all) send(callId);
  };

  return {
    set(callId, identities) {
      // Every phone of the room is told of every membership, also of those of phones, which change nothing here.
      if (isSame(members.get(callId), identities)) return;
      members.set(callId, [...identities]);
      if (members.size > MAX_CALLS) members.delete(members.keys().next().value!);
      send(callId);
      onSet(callId);
    },
    of: (callId) => members.get(callId) ?? [],
    joined(callId) {
      send(callId);
      const phone = phones.get(callId);
      if (phone !== undefined) sendToAll(phone.roomId, phone.worker);
    },
    left: sendToAll,
    drop(callId) {
      members.delete(callId);
    },
  };
};
