import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { RoomLocks } from "../calls/moderation-ports.ts";

const row = z.object({ value: z.string() });
const rooms = z.array(z.string());

/** Locked rooms are few: one setting holds them all. */
export const createRoomLocks = (database: DatabaseSync): RoomLocks => {
  const get = database.prepare("SELECT value FROM settings WHERE name = 'locked_rooms'");
  const put = database.prepare("INSERT OR REPLACE INTO settings (name, value) VALUES ('locked_rooms', ?)");
  const stored = get.get();
  const locked = new Set<string>(stored === undefined ? [] : rooms.parse(JSON.parse(row.parse(stored).value)));
  return {
    isLocked: (room) => locked.has(room),
    set: (room, isLocked) => {
      if (isLocked) locked.add(room);
      else locked.delete(room);
      put.run(JSON.stringify([...locked]));
    },
  };
};
