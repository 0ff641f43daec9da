import { expect, test } from "@jest/globals";
import type { DialinConference } from "../../../src/dialin/conference.ts";
import { createPinCheck } from "../../../src/dialin/pin-check.ts";
import { createPinDefence } from "../../../src/dialin/pin-defence.ts";
import { conferenceId, roomId } from "../../../src/ids.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { createMemoryConferences } from "./memory-conferences.ts";

const BOARD: DialinConference = {
  conferenceId: conferenceId("123456"),
  roomId: roomId("!board:example.org"),
  pinHash: "hash of 11112222",
  language: "fr",
};

const flush = () => new Promise((resolve) => setImmediate(resolve));

const start = () => {
  const clock = createManualClock();
  const store = createMemoryConferences(BOARD);
  const verified: (string | undefined)[] = [];
  const check = createPinCheck({
    conferences: store,
    hasher: {
      verify: async (pin, stored) => {
        verified.push(stored);
        if (stored === "broken") throw new Error("broken");
        return stored === `hash of ${pin}`;
      },
    },
    defence: createPinDefence({ clock, onAlarm: () => {} }),
    clock,
  });
  const ask = (conference: string, pin: string, caller: string | undefined = "+33612345678") => {
    let delayed = 0;
    const answer = check({ conference, pin, caller, onDelay: () => (delayed += 1) });
    return { answer, delayed: () => delayed };
  };
  return { clock, store, verified, ask };
};

test("the right PIN leads to the room, in its language", async () => {
  const { ask } = start();
  await expect(ask("123456", "11112222").answer).resolves.toEqual({ roomId: BOARD.roomId, language: "fr" });
});

test.each([
  ["a wrong PIN", "123456", "99999999"],
  ["no PIN", "123456", ""],
  ["an unknown number", "654321", "11112222"],
  ["a number that is a key of an object", "__proto__", "11112222"],
])("%s leads nowhere, and costs one hash", async (_, conference, pin) => {
  const { ask, verified } = start();
  await expect(ask(conference, pin).answer).resolves.toBeUndefined();
  expect(verified).toEqual([conference === "123456" ? BOARD.pinHash : undefined]);
});

test("a known and an unknown number are slowed down alike, and the caller is told of long waits only", async () => {
  const waits = await Promise.all(
    ["123456", "654321"].map(async (conference) => {
      const { clock, ask } = start();
      const seen: [number, number][] = [];
      for (let i = 0; i < 6; i++) {
        const { answer, delayed } = ask(conference, "99999999");
        const startMs = clock.nowMs();
        while (clock.armed() > 0) clock.advance(100);
        await answer;
        seen.push([clock.nowMs() - startMs, delayed()]);
      }
      return seen;
    }),
  );
  expect(waits[0]).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
    [1000, 0],
    [2000, 1],
    [4000, 1],
  ]);
  expect(waits[1]).toEqual(waits[0]);
});

test("the right PIN is right after any number of wrong ones, and counts as changed when it was changed during the wait", async () => {
  const { clock, store, ask } = start();
  for (let i = 0; i < 50; i++) {
    const { answer } = ask("123456", "99999999");
    clock.advance(60_000);
    await answer;
  }
  const old = ask("123456", "11112222");
  store.save({ ...BOARD, pinHash: "hash of 33334444" });
  const changed = ask("123456", "33334444");
  clock.advance(90_000);
  await expect(old.answer).resolves.toBeUndefined();
  await expect(changed.answer).resolves.toMatchObject({ roomId: BOARD.roomId });
});

test("a hash that cannot be read is an error, and counts as a wrong PIN", async () => {
  const { clock, store, ask } = start();
  store.save({ ...BOARD, pinHash: "broken" });
  for (let i = 0; i < 3; i++) await expect(ask("123456", "11112222").answer).rejects.toThrow("broken");
  const fourth = ask("123456", "11112222").answer;
  await flush();
  expect(clock.armed()).toBe(1);
  clock.advance(1000);
  await expect(fourth).rejects.toThrow("broken");
});
