import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { ConferenceStore, DialinConference } from "../dialin/conference.ts";
import { LANGUAGES } from "../numbering/language.ts";
import { conferenceId, roomId } from "../ids.ts";

const row = z.object({
  conference_id: z.string().transform(conferenceId),
  room_id: z.string().transform(roomId),
  pin_hash: z.string(),
  language: z.enum(LANGUAGES).nullable(),
});

const conferenceOf = (value: unknown): DialinConference | undefined => {
  if (value === undefined) return undefined;
  const found = row.parse(value);
  return {
    conferenceId: found.conference_id,
    roomId: found.room_id,
    pinHash: found.pin_hash,
    ...(found.language === null ? {} : { language: found.language }),
  };
};

/** Rooms that phones can dial. PINs come here as hashes only. */
export const createConferenceStore = (database: DatabaseSync): ConferenceStore => {
  const byId = database.prepare("SELECT * FROM conferences WHERE conference_id = ?");
  const byRoom = database.prepare("SELECT * FROM conferences WHERE room_id = ?");
  const save = database.prepare(`
    INSERT INTO conferences (conference_id, room_id, pin_hash, language) VALUES (?, ?, ?, ?)
    ON CONFLICT (room_id) DO UPDATE SET
      conference_id = excluded.conference_id, pin_hash = excluded.pin_hash, language = excluded.language`);
  const remove = database.prepare("DELETE FROM conferences WHERE room_id = ?");
  const move = database.prepare("UPDATE OR IGNORE conferences SET room_id = ? WHERE room_id = ?");
  return {
    byId: (id) => conferenceOf(byId.get(id)),
    byRoom: (room) => conferenceOf(byRoom.get(room)),
    save: (conference) => {
      save.run(conference.conferenceId, conference.roomId, conference.pinHash, conference.language ?? null);
    },
    remove: (room) => {
      remove.run(room);
    },
    move: (from, to) => {
      move.run(to, from);
    },
  };
};
