import { expect, test } from "@jest/globals";
import type { DialinConference } from "../../../src/dialin/conference.ts";
import { conferenceId, roomId } from "../../../src/ids.ts";
import { openStore } from "../../../src/store/store.ts";

const ROOM = roomId("!r:example.org");
const OTHER = roomId("!other:example.org");
const BOARD: DialinConference = { conferenceId: conferenceId("123456"), roomId: ROOM, pinHash: "h1", language: "fr" };

const open = () => openStore({ path: ":memory:" }).conferences;

test("a conference is found by its number and by its room, as it was saved", () => {
  const conferences = open();
  conferences.save(BOARD);
  expect(conferences.byId("123456")).toEqual(BOARD);
  expect(conferences.byRoom(ROOM)).toEqual(BOARD);
});

test.each(["", "1234567", "' OR 1=1 --", "1".repeat(300)])("nobody has the number %j", (id) => {
  const conferences = open();
  conferences.save(BOARD);
  expect(conferences.byId(id)).toBeUndefined();
});

test("saved again, PIN and language are replaced; a room has one conference", () => {
  const conferences = open();
  conferences.save(BOARD);
  const next: DialinConference = { conferenceId: conferenceId("654321"), roomId: ROOM, pinHash: "h2" };
  conferences.save(next);
  expect([conferences.byId("123456"), conferences.byRoom(ROOM)]).toEqual([undefined, next]);
});

test("the number of another room is refused, and both stay as they were", () => {
  const conferences = open();
  conferences.save(BOARD);
  expect(() => conferences.save({ ...BOARD, roomId: OTHER, pinHash: "h2" })).toThrow(/UNIQUE/);
  expect([conferences.byId("123456"), conferences.byRoom(OTHER)]).toEqual([BOARD, undefined]);
});

test("removed, it is gone; removing twice is harmless", () => {
  const conferences = open();
  conferences.save(BOARD);
  conferences.remove(ROOM);
  conferences.remove(ROOM);
  expect(conferences.byId("123456")).toBeUndefined();
});

test("a new version of a room takes over, unless it has a conference of its own", () => {
  const conferences = open();
  conferences.save(BOARD);
  conferences.move(ROOM, OTHER);
  expect([conferences.byRoom(ROOM), conferences.byRoom(OTHER)]).toEqual([undefined, { ...BOARD, roomId: OTHER }]);
  const own: DialinConference = { conferenceId: conferenceId("111111"), roomId: ROOM, pinHash: "h2" };
  conferences.save(own);
  conferences.move(ROOM, OTHER);
  expect([conferences.byRoom(ROOM), conferences.byRoom(OTHER)]).toEqual([own, { ...BOARD, roomId: OTHER }]);
});
