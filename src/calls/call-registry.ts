import { GatewayError } from "../errors.ts";
import type { CallId, GhostUserId, RoomId } from "../ids.ts";
import { canonicalDigits, type PhoneNumber } from "../numbering/phone-number.ts";
import type { CallActor } from "./call-actor.ts";
import { type CallOptions, isOver } from "./call.ts";
import type { CallRecord, Subject } from "./ports.ts";

export const isSameSubject = (one: Subject, other: Subject): boolean => {
  switch (one.kind) {
    case "user":
      return other.kind === "user" && one.userId === other.userId;
    case "token":
      return other.kind === "token" && one.name === other.name;
    case "trunk":
      return other.kind === "trunk" && one.trunkId === other.trunkId;
  }
};

interface Entry {
  readonly roomId: RoomId;
  readonly subject: Subject;
  /** Absent while the call is still being checked. */
  readonly actor?: CallActor;
}

/** A number's place in a room, held from the request on, so that two requests at the same moment dial once. */
export interface Claim {
  /** Throws LIMIT_REACHED when this call would be one too many. */
  checkLimits(): void;
  /** The call runs from now on; its place is free again when it has ended. */
  started(actor: CallActor): void;
  /** The call does not come to be. */
  giveUp(): void;
}

export interface CallRegistry {
  /**
   * Rejects with ALREADY_IN_CALL while a call to this number is in this room or being checked. Waits for one that is just ending, as its
   * ghost has to leave before it can come again.
   */
  claim(roomId: RoomId, number: PhoneNumber, subject: Subject): Promise<Claim>;
  /** A call that a PBX sent us, or one that goes on with it: one phone may call twice, each call is a device of its own. */
  add(actor: CallActor): void;
  /** Throws LIMIT_REACHED when another inbound call would be one too many. */
  checkInboundLimit(): void;
  /** The same for an outbound call of this subject that claims no number in a room. */
  checkLimits(subject: Subject): void;
  /** Resolves when no (other) call of this ghost is just leaving this room: its leave would take a newcomer with it. */
  untilLeft(record: Pick<CallRecord, "roomId" | "ghost"> & { readonly callId?: CallId }): Promise<void>;
  actor(callId: CallId): CallActor | undefined;
  /** Oldest first, the ones that are ending included. */
  actors(): readonly CallActor[];
  ofGhost(roomId: RoomId, ghost: GhostUserId): readonly CallActor[];
  /** True for the first call that asks since the room had none. */
  isFirstPhone(roomId: RoomId): boolean;
}

type Limits = Pick<CallOptions, "maxCalls" | "maxCallsPerUser" | "maxInboundCalls">;

const isRunning = ({ actor }: Entry): boolean => actor === undefined || !isOver(actor.record());

export const createCallRegistry = (limits: Limits): CallRegistry => {
  const entries = new Map<string, Entry>();
  const roomsTold = new Set<RoomId>();

  const remove = (key: string, entry: Entry): void => {
    if (entries.get(key) !== entry) return;
    entries.delete(key);
    if (![...entries.values()].some(({ roomId }) => roomId === entry.roomId)) roomsTold.delete(entry.roomId);
  };

  const checkLimits = (subject: Subject, own?: Entry): void => {
    const others = [...entries.values()].filter(
      (entry) => entry !== own && entry.subject.kind !== "trunk" && isRunning(entry),
    );
    if (others.length >= limits.maxCalls) {
      throw new GatewayError("LIMIT_REACHED", `The gateway has ${others.length} calls running, its limit.`, {
        retryable: true,
      });
    }
    const ofSubject = others.filter((entry) => isSameSubject(entry.subject, subject));
    if (ofSubject.length >= limits.maxCallsPerUser) {
      const words = `You have ${ofSubject.length} calls running, the limit. Hang one up first.`;
      throw new GatewayError("LIMIT_REACHED", words, { retryable: true });
    }
  };

  const actors = (): readonly CallActor[] => [...entries.values()].flatMap(({ actor }) => actor ?? []);

  const untilAllLeft = async (isMeant: (record: CallRecord) => boolean): Promise<void> => {
    const leaving = actors().filter((actor) => isOver(actor.record()) && isMeant(actor.record()));
    await Promise.all(leaving.map(({ ended }) => ended));
  };

  return {
    claim: async (roomId, number, subject) => {
      const key = `${roomId} ${canonicalDigits(number)}`;
      for (let other = entries.get(key); other !== undefined; other = entries.get(key)) {
        if (other.actor === undefined || !isOver(other.actor.record())) {
          throw new GatewayError("ALREADY_IN_CALL", "This number is already in the call, or is being called.");
        }
        await other.actor.ended;
        remove(key, other);
      }
      const checking: Entry = { roomId, subject };
      entries.set(key, checking);
      await untilAllLeft(
        (record) => record.roomId === roomId && canonicalDigits(record.number) === canonicalDigits(number),
      );
      return {
        checkLimits: () => checkLimits(subject, checking),
        started: (actor) => {
          const running: Entry = { roomId, subject, actor };
          // Deleted first, so that the order of entries is that of the calls.
          entries.delete(key);
          entries.set(key, running);
          void actor.ended.then(() => remove(key, running));
        },
        giveUp: () => remove(key, checking),
      };
    },
    add: (actor) => {
      const { callId, roomId, subject } = actor.record();
      const entry: Entry = { roomId, subject, actor };
      entries.set(callId, entry);
      void actor.ended.then(() => remove(callId, entry));
    },
    checkInboundLimit: () => {
      const running = [...entries.values()].filter((entry) => entry.subject.kind === "trunk" && isRunning(entry));
      if (running.length < limits.maxInboundCalls) return;
      const words = `The gateway has ${running.length} inbound calls running, its limit.`;
      throw new GatewayError("LIMIT_REACHED", words, { retryable: true });
    },
    checkLimits: (subject) => checkLimits(subject),
    untilLeft: async ({ callId, roomId, ghost }) => {
      await untilAllLeft((record) => record.callId !== callId && record.roomId === roomId && record.ghost === ghost);
    },
    actor: (callId) => actors().find((actor) => actor.record().callId === callId),
    actors,
    ofGhost: (roomId, ghost) =>
      actors().filter((actor) => actor.record().roomId === roomId && actor.record().ghost === ghost),
    isFirstPhone: (roomId) => {
      if (roomsTold.has(roomId)) return false;
      roomsTold.add(roomId);
      return true;
    },
  };
};
