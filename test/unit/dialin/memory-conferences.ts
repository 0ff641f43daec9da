import type { ConferenceStore, DialinConference } from "../../../src/dialin/conference.ts";

/** Conferences without a database. */
export const createMemoryConferences = (...given: readonly DialinConference[]): ConferenceStore => {
  const kept = new Map(given.map((conference) => [conference.roomId, conference]));
  return {
    byId: (id) => [...kept.values()].find((conference) => conference.conferenceId === id),
    byRoom: (room) => kept.get(room),
    save: (conference) => void kept.set(conference.roomId, conference),
    remove: (room) => void kept.delete(room),
    move: (from, to) => {
      const conference = kept.get(from);
      if (conference === undefined || kept.has(to)) return;
      kept.delete(from);
      kept.set(to, { ...conference, roomId: to });
    },
  };
};
