import { expect, test } from "@jest/globals";
import { createConferences } from "../../../src/dialin/conferences.ts";
import { roomId } from "../../../src/ids.ts";
import { createMemoryConferences } from "./memory-conferences.ts";

const ROOM = roomId("!r:example.org");
const NEW_ROOM = roomId("!new:example.org");

const start = () => {
  const store = createMemoryConferences();
  const hasher = { hash: async (pin: string) => `hash of ${pin}` };
  return { store, conferences: createConferences({ store, hasher }) };
};

test("turned on, a room has a number and a PIN of which only the hash is kept", async () => {
  const { store, conferences } = start();
  const { conferenceId, pin } = await conferences.turnOn(ROOM, "fr");
  expect(pin).toMatch(/^\d{8}$/);
  expect(store.byRoom(ROOM)).toEqual({ conferenceId, roomId: ROOM, pinHash: `hash of ${pin}`, language: "fr" });
  expect(conferences.of(ROOM)?.conferenceId).toBe(conferenceId);
});

test("turned on again, number and PIN stay, and the language may change", async () => {
  const { store, conferences } = start();
  const { conferenceId, pin } = await conferences.turnOn(ROOM);
  expect(await conferences.turnOn(ROOM, "de")).toEqual({ conferenceId });
  expect(await conferences.turnOn(ROOM)).toEqual({ conferenceId });
  expect(store.byRoom(ROOM)).toMatchObject({ conferenceId, pinHash: `hash of ${pin}`, language: "de" });
});

test("two commands at the same moment make one conference, and one PIN that is right", async () => {
  const { store, conferences } = start();
  const [one, two] = await Promise.all([conferences.turnOn(ROOM), conferences.turnOn(ROOM)]);
  expect(one.conferenceId).toBe(two.conferenceId);
  expect([one.pin, two.pin].filter((pin) => pin !== undefined)).toHaveLength(1);
  expect(store.byRoom(ROOM)?.pinHash).toBe(`hash of ${one.pin ?? two.pin}`);
});

test("a new PIN replaces the old one and keeps number and language", async () => {
  const { store, conferences } = start();
  const first = await conferences.turnOn(ROOM, "de");
  const second = await conferences.newPin(ROOM);
  expect(second.conferenceId).toBe(first.conferenceId);
  expect(second.pin).not.toBe(first.pin);
  expect(store.byRoom(ROOM)).toMatchObject({ pinHash: `hash of ${second.pin}`, language: "de" });
});

test("without dial-in there is no new PIN, and nothing to turn off", async () => {
  const { conferences } = start();
  await expect(conferences.newPin(ROOM)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  expect(conferences.turnOff(ROOM)).toBe(false);
});

test("turned off, the room is not found any more", async () => {
  const { store, conferences } = start();
  const { conferenceId } = await conferences.turnOn(ROOM);
  expect(conferences.turnOff(ROOM)).toBe(true);
  expect([store.byId(conferenceId), conferences.of(ROOM)]).toEqual([undefined, undefined]);
});

test("the new version of a room has the number of the old one", async () => {
  const { conferences } = start();
  const { conferenceId } = await conferences.turnOn(ROOM);
  conferences.follow(ROOM, NEW_ROOM);
  expect(conferences.of(ROOM)).toBeUndefined();
  expect(conferences.of(NEW_ROOM)?.conferenceId).toBe(conferenceId);
});
