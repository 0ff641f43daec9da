import { GatewayError, toGatewayError } from "../errors.ts";
import type { GhostUserId, LegId, RoomId } from "../ids.ts";
import type { Log } from "../log.ts";
import { isOver } from "./call.ts";
import type { CallRegistry } from "./call-registry.ts";
import type { DoorPort, Moderation, RoomLocks, SyncedRooms, WaitingCaller } from "./moderation-ports.ts";
import type { CallService, IncomingCall, Subject } from "./ports.ts";
import type { Clock } from "../clock.ts";
import type { Destined, Refusal } from "./reception.ts";
import type { Voice } from "./voice.ts";

/** `invited`: its ghost has an invite already, so that the bot need not give one. */
export type DoorAnswer = "admitted" | "invited" | "refused";

/** A caller who waits outside of a room's call. */
export interface DoorVisit {
  readonly roomId: RoomId;
  readonly voice: Voice;
  /** Never settles for one who left. */
  readonly answer: Promise<DoorAnswer>;
  /** The caller has hung up. */
  leave(): void;
}

export interface Door {
  /** Undefined: this caller need not wait, or its call will find out that it leads nowhere. */
  approach(incoming: IncomingCall): DoorVisit | undefined;
}

export interface DoorDeps {
  readonly port: DoorPort;
  readonly rooms: Pick<SyncedRooms, "isModerator">;
  readonly locks: RoomLocks;
  readonly registry: Pick<CallRegistry, "ofGhost" | "untilLeft">;
  /** Undefined: nobody is to wait now. */
  readonly find: (incoming: IncomingCall) => Destined | Refusal | undefined;
  /** Longest wait. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiting {
  readonly caller: Omit<WaitingCaller, "announcement">;
  /** Its ghost knocks; else only a lock keeps it out. */
  readonly knocks: boolean;
  readonly answered: (answer: DoorAnswer) => void;
  readonly cancelTimer: () => void;
  announcement?: string;
}

export interface DoorKeeping extends Door, Omit<Moderation, "moderate">, Pick<CallService, "ghostRemoved"> {}

/** Throws ROOM_LOCKED. */
export const checkUnlocked = (locks: RoomLocks, room: RoomId): void => {
  if (!locks.isLocked(room)) return;
  throw new GatewayError("ROOM_LOCKED", "No further phones: a moderator has locked this call (!phone unlock).");
};

/** Keeps callers outside until a moderator lets them in: of rooms that are locked, and of rooms into which a phone has to knock. */
export const createDoor = ({ port, rooms, locks, registry, find, waitMs, clock, log }: DoorDeps): DoorKeeping => {
  const waiting = new Map<LegId, Waiting>();

  /** False when it does not wait any more. */
  const forget = ({ caller: { legId }, cancelTimer }: Waiting): boolean => {
    cancelTimer();
    return waiting.delete(legId);
  };
  const withdraw = ({ caller: { roomId, ghost }, knocks }: Waiting): void => {
    const isAskedByAnother = [...waiting.values()].some(
      ({ caller }) => caller.roomId === roomId && caller.ghost === ghost,
    );
    if (knocks && !isAskedByAnother) void port.withdraw(roomId, ghost);
  };
  const settle = (one: Waiting, answer: DoorAnswer): void => {
    if (!forget(one)) return;
    const { legId, roomId } = one.caller;
    log.info({ legId, roomId, answer }, "a caller who waited was answered");
    if (answer === "refused") withdraw(one);
    one.answered(answer);
  };
  const those = (room: RoomId | undefined, isMeant: (one: Waiting) => boolean): readonly Waiting[] =>
    [...waiting.values()].filter((one) => (room === undefined || one.caller.roomId === room) && isMeant(one));

  const ask = async (one: Waiting): Promise<void> => {
    const { roomId, ghost, name, legId } = one.caller;
    try {
      if (one.knocks) {
        await registry.untilLeft({ roomId, ghost });
        await port.knock(roomId, ghost, name);
      }
      const announcement = await port.announce(roomId, { name, direction: "inbound" });
      if (announcement !== undefined) one.announcement = announcement;
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ legId, roomId, code }, `a caller could not ask to be let in: ${message}`);
      settle(one, "refused");
    }
    // It hung up while its ghost was knocking.
    if (!waiting.has(legId)) withdraw(one);
  };

  /** The caller has another call in the room: its ghost is there. */
  const isInside = (room: RoomId, ghost: GhostUserId): boolean =>
    registry.ofGhost(room, ghost).some((actor) => !isOver(actor.record()));

  const checkModerator = (room: RoomId, subject: Subject): void => {
    if (subject.kind === "user" && rooms.isModerator(room, subject.userId)) return;
    throw new GatewayError("UNAUTHORIZED", "Only members who may kick say which phones get into this room's call.");
  };

  return {
    approach: (incoming) => {
      const found = find(incoming);
      if (found === undefined || "outcome" in found || found.destination.kind !== "room") return undefined;
      const { roomId } = found.destination;
      const { voice } = found;
      const { ghost, number, name } = found.caller;
      const way = port.wayInto(roomId, ghost);
      const knocks = way === "knock" && !isInside(roomId, ghost);
      if (way === "closed" || (!knocks && !locks.isLocked(roomId))) return undefined;
      const { legId } = incoming;
      const { promise: answer, resolve } = Promise.withResolvers<DoorAnswer>();
      const one: Waiting = {
        caller: { legId, roomId, ghost, number, name, sinceMs: clock.nowMs() },
        knocks,
        answered: resolve,
        cancelTimer: clock.after(waitMs, () => settle(one, "refused")),
      };
      waiting.set(legId, one);
      log.info({ legId, roomId, knocks }, "a caller waits for a moderator");
      void ask(one);
      return {
        roomId,
        voice,
        answer,
        leave: () => {
          if (forget(one)) withdraw(one);
        },
      };
    },
    lock: async ({ roomId, subject, isLocked }) => {
      checkModerator(roomId, subject);
      locks.set(roomId, isLocked);
      if (isLocked) return;
      for (const one of those(roomId, ({ knocks }) => !knocks)) settle(one, "admitted");
    },
    atDoor: (room) =>
      those(room, () => true).map(({ caller, announcement }) =>
        announcement === undefined ? caller : { ...caller, announcement },
      ),
    answerDoor: async ({ roomId, legId, subject, isAdmitted }) => {
      checkModerator(roomId, subject);
      const [one] = those(roomId, ({ caller }) => caller.legId === legId);
      if (one === undefined) throw new GatewayError("CALL_NOT_FOUND", "This caller does not wait any more.");
      if (!isAdmitted) return settle(one, "refused");
      if (one.knocks) await port.invite(roomId, one.caller.ghost);
      settle(one, one.knocks ? "invited" : "admitted");
    },
    ghostInvited: (room, ghost) => {
      const meant = those(room, ({ caller, knocks }) => knocks && caller.ghost === ghost);
      for (const one of meant) settle(one, "invited");
      return meant.length > 0;
    },
    ghostRemoved: (room, ghost) => {
      for (const one of those(room, ({ caller }) => caller.ghost === ghost)) settle(one, "refused");
    },
  };
};
