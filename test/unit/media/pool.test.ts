import { afterEach, describe, expect, test } from "@jest/globals";

import type { MediaFact, MediaSession } from "../../../src/calls/ports.ts";
import { type CallId, callId, legId, roomId } from "../../../src/ids.ts";
import type { Log } from "../../../src/log.ts";
import type { LobbyFact } from "../../../src/media/lobby-port.ts";
import { createMediaPool, type MediaPool, type MediaPoolOptions } from "../../../src/media/pool.ts";

const ENTRY = new URL("../../support/media/fake-worker.ts", import.meta.url);

interface Line {
  fields: { pid?: number; keys?: string[] };
  message: string;
}

const pools: MediaPool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

const createPool = async (options: Partial<MediaPoolOptions> = {}) => {
  const lines: Line[] = [];
  const waiters: ((line: Line) => void)[] = [];
  const write = (fields: object, message: string): void => {
    lines.push({ fields, message });
    for (const waiter of waiters.splice(0)) waiter({ fields, message });
  };
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const pool = createMediaPool({ log, workerEntry: ENTRY, ...options });
  pools.push(pool);
  await pool.ready();
  return {
    pool,
    lines,
    /** Process id and keys of the worker that carries the call. */
    seen: async (call: CallId) => {
      const line = new Promise<Line>((resolve) => {
        waiters.push(resolve);
      });
      await pool.prompt(call, "alone");
      return (await line).fields as { pid: number; keys: string[]; members: string[]; arrivals: string[] };
    },
  };
};

const session = (call: string, room = "!room"): MediaSession => ({
  callId: callId(call),
  roomId: roomId(room),
  access: { sfuUrl: "ws://sfu", token: "secret-token", identity: call, encrypted: true, transportUrl: "https://sfu" },
});
const ignore = (): void => {};
/** Resolves with the next fact of a call. */
const nextFact = () => Promise.withResolvers<MediaFact>();

describe("pool of media workers", () => {
  test("calls of a room share a worker, another room joins them, and one worker is always spare", async () => {
    const { pool, seen } = await createPool();
    await pool.join(session("a"), ignore);
    await pool.join(session("b"), ignore);
    await pool.join(session("c", "!other"), ignore);
    const pid = (await seen(callId("a"))).pid;
    expect((await seen(callId("b"))).pid).toBe(pid);
    expect((await seen(callId("c"))).pid).toBe(pid);
    expect(pool.workers().map(({ calls }) => calls)).toEqual([3, 0]);
  });

  test("keys for a leg go to the call that has its audio", async () => {
    const { pool, lines } = await createPool();
    await pool.join(session("a"), ignore);
    await pool.join(session("b"), ignore);
    const leg = legId("leg");
    await expect(pool.press(leg, "12#")).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    const media = { kind: "livekit-room", url: "ws://sfu", token: "", phoneIdentity: "phone", legId: leg } as const;
    await pool.attach(callId("b"), media);
    await pool.press(leg, "12#");
    expect(lines.filter(({ message }) => message === "pressed").map(({ fields }) => fields)).toMatchObject([
      { callId: "b", keys: "12#" },
    ]);
  });

  test("a call that leaves while its worker is starting is not joined afterwards", async () => {
    const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
    const pool = createMediaPool({ log, workerEntry: ENTRY });
    pools.push(pool);
    const joining = pool.join(session("a"), ignore);
    joining.catch(ignore);
    await pool.leave(callId("a"));
    await expect(joining).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  });

  test("a full worker sends the next call of its room to another one", async () => {
    const { pool } = await createPool({ maxCallsPerWorker: 2 });
    for (const call of ["a", "b", "c"]) await pool.join(session(call), ignore);
    expect(pool.workers().map(({ calls }) => calls)).toEqual([2, 1, 0]);
  });

  test("a worker that had its number of joins takes no new room and ends with its last call", async () => {
    const { pool, seen } = await createPool({ maxJoinsPerWorker: 2 });
    await pool.join(session("a"), ignore);
    await pool.join(session("b"), ignore);
    const old = (await seen(callId("a"))).pid;
    await pool.join(session("c", "!other"), ignore);
    expect((await seen(callId("c"))).pid).not.toBe(old);
    await pool.join(session("d"), ignore);
    expect((await seen(callId("d"))).pid).toBe(old);
    expect(pool.workers().filter(({ draining }) => draining)).toHaveLength(1);
    for (const call of ["a", "b", "d"]) await pool.leave(callId(call));
    expect(pool.workers().map(({ pid }) => pid)).not.toContain(old);
  });

  test("who talks at the SFU is told with the join", async () => {
    const speakers: unknown[] = [];
    const { pool } = await createPool({ onSpeakers: (...told) => speakers.push(told) });
    await pool.join(session("a"), ignore);
    expect(speakers).toEqual([["a", ["speaker of a"]]]);
  });

  test.each([true, false])(
    "who comes and goes is told to the room's workers, where it is wanted: %s",
    async (joinTones) => {
      const { pool, seen } = await createPool({ joinTones, maxCallsPerWorker: 1 });
      const [a, b] = [callId("a"), callId("b")];
      for (const call of ["a", "b"]) await pool.join(session(call), ignore);
      await pool.bridge(a);
      await pool.bridge(b);
      pool.setMembers(a, ["alice:X"]);
      const tones = joinTones ? ["!room joined"] : [];
      expect((await seen(a)).arrivals).toEqual(tones);
      expect((await seen(b)).arrivals).toEqual(tones);
    },
  );

  test("keys that come before the join are given to the worker, in order, and later ones too", async () => {
    const { pool, seen, lines } = await createPool();
    const a = callId("a");
    pool.setKey(a, { identity: "alice", index: 1, key: Buffer.from("first") });
    await pool.join(session("a"), ignore);
    pool.setKey(a, { identity: "a", index: 2, key: Buffer.from("second") });
    const { keys } = await seen(a);
    expect(keys).toEqual([
      `a alice 1 ${Buffer.from("first").toString("base64")}`,
      `a a 2 ${Buffer.from("second").toString("base64")}`,
    ]);
    expect(JSON.stringify(lines.filter(({ message }) => message !== "seen"))).not.toContain("secret");
  });

  test("a member's key reaches one call of each worker of the room, and no other room's", async () => {
    const { pool, seen } = await createPool({ maxCallsPerWorker: 2 });
    for (const call of ["a", "b", "c", "d"]) await pool.join(session(call), ignore);
    await pool.join(session("e", "!other"), ignore);
    pool.setKey(callId("a"), { identity: "alice", index: 1, key: Buffer.from("first") });
    const key = `alice 1 ${Buffer.from("first").toString("base64")}`;
    expect((await seen(callId("a"))).keys).toEqual([`a ${key}`]);
    expect((await seen(callId("d"))).keys).toEqual([`c ${key}`]);
    expect((await seen(callId("e"))).keys).toEqual([]);
  });

  test("a worker that is new to a room gets its members' keys, the newcomer's own knowledge last", async () => {
    const { pool, seen } = await createPool({ maxCallsPerWorker: 1 });
    const keyOf = (index: number) => ({ identity: "alice", index, key: Buffer.from(`key ${index}`) });
    await pool.join(session("a"), ignore);
    for (const index of [1, 2]) pool.setKey(callId("a"), keyOf(index));
    pool.setKey(callId("b"), keyOf(3));
    await pool.join(session("b"), ignore);
    const lineOf = (index: number): string => `b alice ${index} ${Buffer.from(`key ${index}`).toString("base64")}`;
    expect((await seen(callId("b"))).keys).toEqual([1, 2, 3].map(lineOf));
  });

  test("members are told to the worker, also those known before the join, and again after a crash", async () => {
    const { pool, seen } = await createPool();
    const a = callId("a");
    const lost = nextFact();
    pool.setMembers(a, ["alice:X"]);
    await pool.join(session("a"), lost.resolve);
    const before = await seen(a);
    expect(before.members).toEqual(["alice:X"]);
    pool.setMembers(a, ["alice:X", "bob:Y"]);
    expect((await seen(a)).members).toEqual(["alice:X", "bob:Y"]);
    process.kill(before.pid, "SIGKILL");
    await lost.promise;
    await pool.join(session("a"), ignore);
    expect((await seen(a)).members).toEqual(["alice:X", "bob:Y"]);
  });

  test("phones of one room in two workers are told of each other, and of each other's end", async () => {
    const { pool, seen } = await createPool({ maxCallsPerWorker: 1 });
    pool.setMembers(callId("a"), ["alice:X"]);
    for (const call of ["a", "b"]) await pool.join(session(call), ignore);
    await pool.join(session("c", "!other"), ignore);
    expect((await seen(callId("a"))).members).toEqual(["alice:X", "b"]);
    expect((await seen(callId("b"))).members).toEqual(["a"]);
    await pool.leave(callId("b"));
    expect((await seen(callId("a"))).members).toEqual(["alice:X"]);
  });

  test("a worker that dies is reported to its calls at once, and they join again with their keys", async () => {
    const { pool, seen, lines } = await createPool();
    const lost = { a: nextFact(), b: nextFact() };
    pool.setKey(callId("a"), { identity: "alice", index: 1, key: Buffer.from("first") });
    await pool.join(session("a"), lost.a.resolve);
    await pool.join(session("b"), lost.b.resolve);
    const { pid } = await seen(callId("a"));
    process.kill(pid, "SIGKILL");
    expect(await lost.a.promise).toEqual({ type: "media.workerLost" });
    expect(await lost.b.promise).toEqual({ type: "media.workerLost" });
    await expect(pool.bridge(callId("a"))).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    await pool.join(session("a"), ignore);
    const again = await seen(callId("a"));
    expect(again.pid).not.toBe(pid);
    expect(again.keys).toHaveLength(1);
    expect(lines.some(({ message }) => message === "a media worker died")).toBe(true);
  });

  test("a call whose join kills the worker is refused; the others are told", async () => {
    const { pool } = await createPool();
    const lost = nextFact();
    await pool.join(session("a"), lost.resolve);
    await expect(pool.join(session("crash"), ignore)).rejects.toMatchObject({ code: "MEDIA_FAILED", retryable: true });
    expect(await lost.promise).toEqual({ type: "media.workerLost" });
  });

  test("a worker that hangs is killed", async () => {
    const { pool } = await createPool({ pingIntervalMs: 50, missedPings: 4 });
    const lost = nextFact();
    await pool.join(session("a"), lost.resolve);
    await expect(pool.join(session("hang"), ignore)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    expect(await lost.promise).toEqual({ type: "media.workerLost" });
  });

  test("a refusal of the SFU reaches the caller, and the call holds no place", async () => {
    const { pool } = await createPool();
    await expect(pool.join(session("refuse"), ignore)).rejects.toMatchObject({ code: "SFU_REFUSED", retryable: true });
    expect(pool.workers().map(({ calls }) => calls)).toEqual([0, 0]);
  });

  test("phones in the lobby have a place in a worker until they leave, and hear of the end of what is said", async () => {
    const { pool } = await createPool();
    const a = callId("a");
    const media = { kind: "asterisk-websocket", url: "ws://nowhere", codec: "alaw" } as const;
    const said = Promise.withResolvers<LobbyFact>();
    await pool.lobby.enter(a, media, said.resolve);
    expect(pool.workers().map(({ calls }) => calls)).toEqual([1, 0]);
    await pool.lobby.say(a, [{ name: "greeting", language: "fr" }], 5);
    expect(await said.promise).toEqual({ type: "lobby.said", token: 5 });
    await pool.lobby.leave(a);
    await pool.lobby.leave(a);
    expect(pool.workers().map(({ calls }) => calls)).toEqual([0, 0]);
    await expect(pool.lobby.say(a, [], 6)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    // The same call goes on into a conference.
    await pool.join(session("a"), ignore);
    expect(pool.workers().map(({ calls }) => calls)).toEqual([1, 0]);
  });

  test("a worker that dies costs phones in its lobby their audio, and they are told", async () => {
    const { pool, seen } = await createPool();
    const media = { kind: "asterisk-websocket", url: "ws://nowhere", codec: "alaw" } as const;
    const lost = Promise.withResolvers<LobbyFact>();
    await pool.lobby.enter(callId("a"), media, lost.resolve);
    await pool.join(session("b"), ignore);
    process.kill((await seen(callId("b"))).pid, "SIGKILL");
    expect(await lost.promise).toEqual({ type: "lobby.lost", message: "the media worker of this call died" });
    await expect(pool.lobby.enter(callId("crash"), media, ignore)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    expect(pool.workers().map(({ calls }) => calls)).toEqual([0, 0]);
  });

  test("facts reach the call, its last figures come with its end, and leaving twice is harmless", async () => {
    const ended: [string, number][] = [];
    const { pool } = await createPool({
      onCallEnded: (call, stats) => ended.push([call, stats.fromPhone.signalSeconds]),
    });
    const facts: MediaFact[] = [];
    const a = callId("a");
    await pool.join(session("a"), (fact) => facts.push(fact));
    await pool.bridge(a);
    expect(facts).toEqual([{ type: "media.flowing", direction: "toPhone" }]);
    await pool.leave(a);
    await pool.leave(a);
    expect(ended).toEqual([["a", 3]]);
    expect(pool.stats(a)).toBeUndefined();
  });

  test("a call that nobody knows, and a pool that is closed, say so", async () => {
    const { pool } = await createPool();
    await expect(pool.setHeld(callId("nobody"), true)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    await expect(pool.leave(callId("nobody"))).resolves.toBeUndefined();
    await pool.close();
    expect(pool.workers()).toEqual([]);
    await expect(pool.join(session("a"), ignore)).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  });
});
