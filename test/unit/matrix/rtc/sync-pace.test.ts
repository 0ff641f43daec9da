import { expect, test } from "@jest/globals";
import { roomId } from "../../../../src/ids.ts";
import { createSyncPace, type PacedDevice, pauseMs } from "../../../../src/matrix/rtc/sync-pace.ts";

const ROOM = roomId("!room:example.org");
const SYNC = "https://example.org/_matrix/client/v3/sync?timeout=30000";
const SEND = "https://example.org/_matrix/client/v3/rooms/!room/send";

const answering = async (): Promise<Response> => new Response("{}");
const ask = async (device: PacedDevice, url = SYNC) => void (await device.pace(answering)(url));

/** A room with so many ghosts that are no longer new, and the pauses that were made. */
const roomOf = (ghosts: number) => {
  let nowMs = 0;
  const pauses: number[] = [];
  const pace = createSyncPace(
    () => nowMs,
    async (ms) => pauses.push(ms),
  );
  const devices = Array.from({ length: ghosts }, () => pace.enter(ROOM));
  nowMs = 10_000;
  return { pace, devices, last: devices.at(-1)!, pauses, pass: (ms: number) => (nowMs += ms) };
};

test("few ghosts do not pause, many do, and none for longer than ten seconds", () => {
  expect([1, 4, 5, 10, 40, 100].map(pauseMs)).toEqual([0, 0, 250, 1500, 9000, 10_000]);
});

test("of a full room only /sync pauses, and neither the four oldest devices nor the new ones", async () => {
  const { pace, devices, last, pauses } = roomOf(12);
  await ask(last, SEND);
  await ask(pace.enter(ROOM));
  for (const device of devices.slice(0, 4)) await ask(device);
  expect(pauses).toEqual([]);
  await ask(devices[4]!);
  await ask(last);
  expect(pauses).toEqual([2250, 2250]);
});

test("who has left is not counted, once, and the next ones watch", async () => {
  const { devices, last, pauses } = roomOf(12);
  for (const device of [...devices.slice(0, 2), ...devices.slice(0, 2)]) device.leave();
  await ask(devices[5]!);
  expect(pauses).toEqual([]);
  await ask(last);
  expect(pauses).toEqual([1500]);
});

test("a device whose membership was written hurries for three seconds, all of a room when somebody comes", async () => {
  const { pace, last, pauses, pass } = roomOf(12);
  last.published();
  pass(2999);
  await ask(last);
  pass(1);
  await ask(last);
  expect(pauses).toHaveLength(1);
  pace.hurry(ROOM);
  await ask(last);
  expect(pauses).toHaveLength(1);
});

test("a device that is written early does not hurry for longer", async () => {
  const { pace, pauses, pass } = roomOf(12);
  const late = pace.enter(ROOM);
  late.published();
  pass(3000);
  await ask(late);
  expect(pauses).toEqual([2250]);
});

test("a pause ends when the room changes, and with its request", async () => {
  let nowMs = 0;
  const pace = createSyncPace(() => nowMs);
  const last = Array.from({ length: 100 }, () => pace.enter(ROOM)).at(-1)!;
  nowMs = 10_000;
  const paused = ask(last);
  pace.hurry(ROOM);
  await paused;
  nowMs = 20_000;
  const abort = new AbortController();
  const request = last.pace(answering)(SYNC, { signal: abort.signal });
  abort.abort();
  await expect(request).rejects.toThrow("aborted");
});
