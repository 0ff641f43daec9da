import { expect, test } from "@jest/globals";
import { roomId } from "../../../../src/ids.ts";
import { createSyncPace, type PacedDevice, pauseMs } from "../../../../src/matrix/rtc/sync-pace.ts";

const ROOM = roomId("!room:example.org");
const SYNC = "https://example.org/_matrix/client/v3/sync?timeout=30000";
const SEND = "https://example.org/_matrix/client/v3/rooms/!room/send";

const answering = async (): Promise<Response> => new Response("{}");

/** A room with so many ghosts that are no longer new, and the pauses that were made. */
const roomOf = (ghosts: number) => {
  let nowMs = 0;
  const pauses: number[] = [];
  const pace = createSyncPace(
    () => nowMs,
    async (ms) => pauses.push(ms),
  );
  const [first, ...others] = Array.from({ length: ghosts }, () => pace.enter(ROOM));
  nowMs = 10_000;
  const ask = async (device: PacedDevice, url: string) => void (await device.pace(answering)(url));
  return { pace, first: first!, others, pauses, ask };
};

test("few ghosts do not pause, many do, and none for longer than a new media key waits", () => {
  expect([1, 4, 5, 10, 40, 100].map(pauseMs)).toEqual([0, 0, 25, 150, 900, 1000]);
});

test("of a full room only /sync pauses, and only of devices that are no longer new", async () => {
  const { pace, first, pauses, ask } = roomOf(12);
  await ask(first, SEND);
  await ask(pace.enter(ROOM), SYNC);
  expect(pauses).toEqual([]);
  await ask(first, SYNC);
  expect(pauses).toEqual([225]);
});

test("who has left is not counted, once", async () => {
  const { first, others, pauses, ask } = roomOf(12);
  for (const other of [...others.slice(0, 2), ...others.slice(0, 2)]) other.leave();
  await ask(first, SYNC);
  expect(pauses).toEqual([150]);
});

test("a pause ends with its request", async () => {
  let nowMs = 0;
  const pace = createSyncPace(() => nowMs);
  const [first] = Array.from({ length: 100 }, () => pace.enter(ROOM));
  nowMs = 10_000;
  const abort = new AbortController();
  const request = first!.pace(answering)(SYNC, { signal: abort.signal });
  abort.abort();
  await expect(request).rejects.toThrow("aborted");
});
