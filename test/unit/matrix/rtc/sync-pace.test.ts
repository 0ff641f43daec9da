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

test.each([
  ["few ghosts do not pause", { ghosts: 4, hurrying: 4, role: "idles" }, 0],
  ["many do", { ghosts: 5, hurrying: 0, role: "idles" }, 250],
  ["none for longer than ten seconds", { ghosts: 100, hurrying: 0, role: "idles" }, 10_000],
  ["those that look for keys are in time for a new one", { ghosts: 100, hurrying: 100, role: "watches" }, 250],
  ["one that comes alone does not wait", { ghosts: 40, hurrying: 1, role: "hurries" }, 0],
  ["those that come together do", { ghosts: 40, hurrying: 8, role: "hurries" }, 600],
  ["but not long", { ghosts: 40, hurrying: 40, role: "hurries" }, 1000],
] as const)("%s", (_, room, ms) => {
  expect(pauseMs(room)).toBe(ms);
});

test("of a full room only /sync pauses, the oldest two go on watching, and a new one hurries", async () => {
  const { pace, devices, last, pauses } = roomOf(12);
  await ask(last, SEND);
  await ask(pace.enter(ROOM));
  expect(pauses).toEqual([]);
  for (const device of devices.slice(0, 3)) await ask(device);
  expect(pauses).toEqual([250, 250, 2250]);
});

test("who has left is not counted, once, and the next ones watch", async () => {
  const { devices, last, pauses } = roomOf(12);
  for (const device of [...devices.slice(0, 2), ...devices.slice(0, 2)]) device.leave();
  await ask(devices[3]!);
  await ask(last);
  expect(pauses).toEqual([250, 1500]);
});

test("a device whose membership was written hurries for three seconds at most, or until the keys are exchanged", async () => {
  const { last, pauses, pass } = roomOf(12);
  last.published();
  pass(2999);
  await ask(last);
  pass(1);
  await ask(last);
  last.published();
  await ask(last);
  last.settled();
  await ask(last);
  expect(pauses).toEqual([2000, 2000]);
});

test("all of a room hurry when somebody comes", async () => {
  const { pace, devices, pauses, pass } = roomOf(6);
  pace.hurry(ROOM);
  for (const device of devices.slice(4)) await ask(device);
  pass(3000);
  await ask(devices[4]!);
  expect(pauses).toEqual([400, 400, 500]);
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

test("a device whose ghost joins later syncs when it has joined, and pauses only then; everything else goes out at once", async () => {
  const { pace, pauses } = roomOf(12);
  pace.hurry(ROOM);
  const device = pace.enter(ROOM, { joinsLater: true });
  const asked: string[] = [];
  const asking = device.pace(async (input) => {
    asked.push(input as string);
    return answering();
  });
  const syncing = asking(SYNC);
  await asking(SEND);
  expect(asked).toEqual([SEND]);
  device.joined();
  await syncing;
  expect(pauses).toEqual([]);
  await asking(SYNC);
  expect(asked).toEqual([SEND, SYNC, SYNC]);
  expect(pauses).toEqual([2250]);
  device.published();
  await asking(SYNC);
  expect(pauses).toEqual([2250, 1000]);
});

test("a device that is closed before its ghost has joined asks for nothing", async () => {
  const device = createSyncPace(() => 0).enter(ROOM, { joinsLater: true });
  const abort = new AbortController();
  const request = device.pace(() => Promise.reject(new Error("asked")))(SYNC, { signal: abort.signal });
  abort.abort();
  await expect(request).rejects.toThrow("aborted");
  await expect(device.pace(answering)(SYNC, { signal: abort.signal })).rejects.toThrow("aborted");
});
