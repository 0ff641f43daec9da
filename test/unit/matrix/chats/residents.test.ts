import { expect, test } from "@jest/globals";
import { createResidents } from "../../../../src/matrix/chats/residents.ts";
import { roomId } from "../../../../src/ids.ts";

const chat = (name: string) => ({ room: roomId(`!${name}:example.org`) });
const flush = () => new Promise((resolve) => setImmediate(resolve));

const start = (most = 2) => {
  const closed: string[] = [];
  const failures: unknown[] = [];
  let refuses = false;
  const residents = createResidents({
    most,
    open: async ({ room }: { room: string }) => {
      if (refuses) throw new Error("refused");
      return {
        room,
        close: async () => {
          closed.push(room);
          if (room.startsWith("!stuck")) throw new Error("stuck");
        },
      };
    },
    onCloseFailed: (error) => failures.push(error),
  });
  return { residents, closed, failures, refuse: (now: boolean) => (refuses = now) };
};

test("a chat has one device, until it is dropped", async () => {
  const { residents, closed } = start();
  const first = residents.of(chat("a"));
  expect(residents.of(chat("a"))).toBe(first);
  residents.drop(chat("a").room);
  await flush();
  expect(closed).toEqual(["!a:example.org"]);
  expect(residents.of(chat("a")).deviceId).not.toBe(first.deviceId);
});

test("of too many the least recently used is closed", async () => {
  const { residents, closed } = start();
  for (const name of ["a", "b", "a", "c"]) residents.of(chat(name));
  await flush();
  expect(closed).toEqual(["!b:example.org"]);
});

test("one call at a time has it; dropped meanwhile it is closed when the call gives it back, once", async () => {
  const { residents, closed } = start(1);
  const borrowed = residents.borrow(chat("a"));
  expect(borrowed?.deviceId).toBe(residents.of(chat("a")).deviceId);
  expect(residents.borrow(chat("a"))).toBeUndefined();
  residents.of(chat("b"));
  await flush();
  expect(closed).toEqual([]);
  borrowed?.giveBack();
  borrowed?.giveBack();
  await flush();
  expect(closed).toEqual(["!a:example.org"]);
  const again = residents.borrow(chat("b"));
  again?.giveBack();
  expect(residents.borrow(chat("b"))?.deviceId).toBe(again?.deviceId);
});

test("one that could not be opened is tried again; one that cannot be closed is told", async () => {
  const { residents, failures, refuse } = start();
  refuse(true);
  await expect(residents.of(chat("a")).device).rejects.toThrow("refused");
  refuse(false);
  expect((await residents.of(chat("a")).device).room).toBe("!a:example.org");
  residents.of(chat("stuck"));
  await residents.closeAll();
  expect(failures).toHaveLength(1);
});
