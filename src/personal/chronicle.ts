import type { MissedCall, PersonPort } from "../calls/person.ts";
import type { CallRecord } from "../calls/ports.ts";
import { toGatewayError } from "../errors.ts";
import type { CallId, GhostUserId, RoomId, UserId } from "../ids.ts";
import type { Log } from "../log.ts";
import { callLine } from "./lines.ts";

export interface ChronicleDeps {
  /** Writes a line as the ghost, or puts it in the place of an earlier one; resolves with the event's id. */
  readonly write: (
    chat: { readonly room: RoomId; readonly ghost: GhostUserId },
    text: string,
    replaces?: string,
  ) => Promise<string>;
  readonly chatWith: PersonPort["chatWith"];
  /** Whether this ghost stands for a number of the person's own, and rings for everybody. */
  readonly isOwn: (ghost: GhostUserId, person: UserId) => boolean;
  readonly log: Log;
}

/** Keeps one line for each one-to-one call in its chat. */
export interface Chronicle {
  transition(record: CallRecord): void;
  /** For a call that was refused before it rang. */
  missed(call: MissedCall): void;
}

export const createChronicle = ({ write, chatWith, isOwn, log }: ChronicleDeps): Chronicle => {
  /** Lines of calls that are going on. */
  const lines = new Map<CallId, Promise<string | undefined>>();

  const lineOf = (record: CallRecord): string => {
    const { ghost, person, name } = record;
    const isShared = person !== undefined && name !== undefined && isOwn(ghost, person);
    return callLine(isShared ? { ...record, caller: name } : record);
  };

  const settle = async (work: Promise<string>): Promise<string | undefined> => {
    try {
      return await work;
    } catch (thrown) {
      log.warn({ code: toGatewayError(thrown).code }, "the line of a call was not written");
      return undefined;
    }
  };

  const finish = async (record: CallRecord): Promise<void> => {
    const line = await lines.get(record.callId);
    lines.delete(record.callId);
    await settle(write({ room: record.roomId, ghost: record.ghost }, lineOf(record), line));
  };

  return {
    transition: (record) => {
      if (record.person === undefined) return;
      const { callId, roomId: room, ghost } = record;
      if (record.state === "active" && !lines.has(callId))
        lines.set(callId, settle(write({ room, ghost }, lineOf(record))));
      if (record.state === "ended") void finish(record);
    },
    missed: ({ person, ghost, name, ...call }) => {
      const told = async (): Promise<string> => {
        const place = await chatWith({ ghost, name }, person);
        const caller = place.ghostName === undefined ? {} : { caller: name };
        return write(
          { room: place.roomId, ghost: place.ghost },
          callLine({ direction: "inbound", ...caller, ...call }),
        );
      };
      void settle(told());
    },
  };
};
