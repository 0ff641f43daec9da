import type { GhostUserId, RoomId, UserId } from "../ids.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import { isOver } from "./call.ts";
import type { Caller } from "./caller.ts";
import type { Forward } from "./forward.ts";
import type { Outcome } from "./outcome.ts";
import type { CallRecord, RoomPort } from "./ports.ts";

/** Where a person is rung, and by which ghost. */
export interface RingingPlace {
  readonly roomId: RoomId;
  readonly ghost: GhostUserId;
  /** Name of that ghost where it is not the caller's: that of the person's own number rings for everybody. */
  readonly ghostName?: string;
}

/** A call to a person that was refused before it rang. */
export interface MissedCall {
  readonly person: UserId;
  readonly ghost: GhostUserId;
  readonly name: string;
  readonly outcome: Outcome;
  readonly forwardedTo?: PhoneNumber;
}

/** People as calls reach them. */
export interface PersonPort {
  /** The person whom a number belongs to. */
  personOf(number: PhoneNumber): UserId | undefined;
  /** Where calls to this number go on that its person does not take. */
  forwardOf(number: PhoneNumber): Forward | undefined;
  /**
   * The chat of two of this ghost and this person, made where there is none; that of the person's own number where they have not accepted
   * the other. Rejects with HOMESERVER_*.
   */
  chatWith(caller: Pick<Caller, "ghost" | "name">, person: UserId): Promise<RingingPlace>;
  /** False when the homeserver knows no device of this user: nobody would hear it ring. Rejects with HOMESERVER_*. */
  hasDevice(caller: Pick<Caller, "ghost" | "name">, person: UserId): Promise<boolean>;
  /** Says in the chat that there was a call. Returns at once and never fails. */
  missed(call: MissedCall): void;
}

/** True while this person is in another call that this gateway carries, one-to-one or a conference with a phone. */
export const isBusy = async (
  person: UserId,
  records: readonly CallRecord[],
  rooms: Pick<RoomPort, "viewAsBot">,
): Promise<boolean> => {
  const running = records.filter((record) => !isOver(record));
  if (running.some((record) => record.person === person)) return true;
  const conferences = new Set(
    running
      .filter(({ person: other, forwardedFrom }) => other === undefined && forwardedFrom === undefined)
      .map(({ roomId }) => roomId),
  );
  const present = await Promise.all(
    [...conferences].map(async (room) => {
      // A room that cannot be looked at says nothing about anybody.
      const view = await rooms.viewAsBot(room).catch(() => undefined);
      return view?.conference.some(({ userId }) => userId === person) ?? false;
    }),
  );
  return present.includes(true);
};
