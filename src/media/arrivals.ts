import type { CallId, RoomId } from "../ids.ts";
import type { ArrivalTone } from "./prompts.ts";

/** A crowd is one tone per second. */
const PAUSE_MS = 1000;

interface Phone {
  readonly roomId: RoomId;
  readonly worker: {
    readonly process: { sendArrival(arrival: { readonly roomId: RoomId; readonly tone: ArrivalTone }): void };
  };
}

export interface ArrivalsDeps {
  /** Calls that have a media session at present. */
  readonly phones: ReadonlyMap<CallId, Phone>;
  /** LiveKit identities of the members, phones of ours aside, as a call knows them. */
  readonly membersOf: (callId: CallId) => readonly string[];
  readonly nowMs: () => number;
}

/**
 * Tells the workers of a room when somebody has come into its conference or has left it. A worker that dies, or a phone that joins the SFU
 * again, is neither.
 */
export interface Arrivals {
  /** The call may know other members than before. */
  review(callId: CallId): void;
  /** The phone talks with the others from now on. Idempotent. */
  bridged(callId: CallId): void;
  left(callId: CallId): void;
}

const hasAll = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  [...other].every((item) => one.has(item));

export const createArrivals = ({ phones, membersOf, nowMs }: ArrivalsDeps): Arrivals => {
  /** Of calls that talk. */
  const roomOf = new Map<CallId, RoomId>();
  const rooms = new Map<RoomId, { present: ReadonlySet<string>; toneAtMs: number }>();

  /** Every call hears of a member in its own time: it is there when the first one knows it, and gone when none does. */
  const presentIn = (roomId: RoomId): ReadonlySet<string> =>
    new Set([...roomOf].flatMap(([callId, room]) => (room === roomId ? [callId, ...membersOf(callId)] : [])));

  const play = (roomId: RoomId, tone: ArrivalTone): void => {
    const ofRoom = [...phones.values()].filter((phone) => phone.roomId === roomId);
    for (const { process } of new Set(ofRoom.map(({ worker }) => worker))) process.sendArrival({ roomId, tone });
  };

  const reviewRoom = (roomId: RoomId | undefined): void => {
    if (roomId === undefined) return;
    const present = presentIn(roomId);
    if (present.size === 0) return void rooms.delete(roomId);
    const before = rooms.get(roomId);
    if (before === undefined) return void rooms.set(roomId, { present, toneAtMs: -Infinity });
    const hasCome = !hasAll(before.present, present);
    const isChanged = hasCome || !hasAll(present, before.present);
    before.present = present;
    if (!isChanged || nowMs() - before.toneAtMs < PAUSE_MS) return;
    before.toneAtMs = nowMs();
    play(roomId, hasCome ? "joined" : "left");
  };

  return {
    review: (callId) => reviewRoom(roomOf.get(callId)),
    bridged(callId) {
      const roomId = phones.get(callId)?.roomId;
      if (roomId === undefined) return;
      roomOf.set(callId, roomId);
      reviewRoom(roomId);
    },
    left(callId) {
      const roomId = roomOf.get(callId);
      roomOf.delete(callId);
      reviewRoom(roomId);
    },
  };
};
