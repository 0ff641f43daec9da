import { expect, jest, test } from "@jest/globals";
import { createPinHasher } from "../../../src/dialin/pin-hash.ts";
import { createSlots } from "../../../src/slots.ts";

jest.setTimeout(60_000);

test("the right PIN fits its hash and no other does; equal PINs have different hashes, none of which shows the PIN", async () => {
  const hasher = createPinHasher();
  const [one, two] = await Promise.all([hasher.hash("01234567"), hasher.hash("01234567")]);
  expect(one).toMatch(/^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
  expect(one).not.toBe(two);
  expect(one).not.toContain("01234567");
  await expect(hasher.verify("01234567", one)).resolves.toBe(true);
  await expect(hasher.verify("01234568", one)).resolves.toBe(false);
  await expect(hasher.verify("", one)).resolves.toBe(false);
  await expect(hasher.verify("1".repeat(40), one)).resolves.toBe(false);
  // Made by another process.
  await expect(createPinHasher().verify("01234567", two)).resolves.toBe(true);
});

test("a conference that does not exist costs a whole hash and is never right", async () => {
  const hasher = createPinHasher();
  const stored = await hasher.hash("01234567");
  // CPU time of this process: on a busy machine the clock says nothing.
  const took = async (hash: string | undefined): Promise<number> => {
    const start = process.cpuUsage();
    await expect(hasher.verify("99999999", hash)).resolves.toBe(false);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const times = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
  // The shortest of each: what else runs in this process only adds.
  for (let i = 0; i < 5; i++) {
    times.known = Math.min(times.known, await took(stored));
    times.unknown = Math.min(times.unknown, await took(undefined));
  }
  expect(times.unknown / times.known).toBeGreaterThan(0.6);
  expect(times.unknown / times.known).toBeLessThan(1.7);
});

test.each(["", "plain", "scrypt$32768$8$1$c2FsdA$c2hvcnQ", "scrypt$x$8$1$c2FsdA$" + "A".repeat(43)])(
  "a damaged hash is an error that does not show it: %j",
  async (stored) => {
    const verified = createPinHasher().verify("01234567", stored);
    await expect(verified).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.not.stringContaining("A".repeat(9)),
    });
  },
);

test("no more tasks than slots run at once, in the order they came, also when one fails", async () => {
  const inSlot = createSlots(4);
  const running: { index: number; settle: (ok: boolean) => void }[] = [];
  const started: number[] = [];
  const results = Array.from({ length: 7 }, (_, index) =>
    inSlot(
      () =>
        new Promise<number>((resolve, reject) => {
          started.push(index);
          running.push({ index, settle: (ok) => (ok ? resolve(index) : reject(new Error("no"))) });
        }),
    ),
  );
  const settled = Promise.allSettled(results);
  await Promise.resolve();
  await Promise.resolve();
  expect(started).toEqual([0, 1, 2, 3]);
  running[2]?.settle(false);
  await expect(results[2]).rejects.toThrow("no");
  await new Promise(setImmediate);
  expect(started).toEqual([0, 1, 2, 3, 4]);
  for (let next = 0; next < 7; next++) {
    running[next]?.settle(true);
    await new Promise(setImmediate);
  }
  expect((await settled).map(({ status }) => status)).toEqual(
    Array.from({ length: 7 }, (_, index) => (index === 2 ? "rejected" : "fulfilled")),
  );
  expect(started).toEqual([0, 1, 2, 3, 4, 5, 6]);
});
