import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { createKeyExchange } from "../../../../src/matrix/rtc/key-exchange.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const watch = (others: () => readonly string[], heldInRoom: readonly string[] = []) => {
  const exchange = createKeyExchange((identity) => heldInRoom.includes(identity));
  const seen = { isDone: false };
  void exchange.done(others).then(() => (seen.isDone = true));
  const isDone = async (): Promise<boolean> => {
    await jest.advanceTimersByTimeAsync(0);
    return seen.isDone;
  };
  return { exchange, isDone };
};

test("it is done when the own key is out and one of every member has come", async () => {
  const { exchange, isDone } = watch(() => ["alice", "bob"]);
  exchange.received("alice");
  exchange.sent();
  expect(await isDone()).toBe(false);
  exchange.received("bob");
  expect(await isDone()).toBe(true);
});

test("keys of members are not enough", async () => {
  const { exchange, isDone } = watch(() => ["alice"]);
  exchange.received("alice");
  expect(await isDone()).toBe(false);
  exchange.sent();
  expect(await isDone()).toBe(true);
});

test("who is muted, or has no microphone, is not waited for; whoever talks is", async () => {
  const { exchange, isDone } = watch(() => ["alice", "muted"]);
  exchange.sent();
  exchange.setSpeakers(["alice"]);
  expect(await isDone()).toBe(false);
  exchange.received("alice");
  expect(await isDone()).toBe(true);
});

test("keys that another phone of the room has are not waited for", async () => {
  const { exchange, isDone } = watch(() => ["alice", "bob"], ["alice"]);
  exchange.sent();
  expect(await isDone()).toBe(false);
  exchange.received("bob");
  expect(await isDone()).toBe(true);
});

test("the key of a member that has left is held no more; one that comes before its member is", () => {
  const { exchange } = watch(() => []);
  exchange.received("alice");
  exchange.received("bob");
  exchange.setMembers(["alice"]);
  expect(["alice", "bob"].map((one) => exchange.holds(one))).toEqual([true, true]);
  exchange.setMembers(["bob"]);
  expect(["alice", "bob"].map((one) => exchange.holds(one))).toEqual([false, true]);
});

test("all are muted: the own key still has to go out", async () => {
  const { exchange, isDone } = watch(() => ["muted"]);
  exchange.setSpeakers([]);
  expect(await isDone()).toBe(false);
  exchange.sent();
  expect(await isDone()).toBe(true);
});

test("nobody there: nothing to wait for", async () => {
  expect(await watch(() => []).isDone()).toBe(true);
});

test("a member that sends no key costs two seconds", async () => {
  const { isDone } = watch(() => ["silent"]);
  await jest.advanceTimersByTimeAsync(1999);
  expect(await isDone()).toBe(false);
  await jest.advanceTimersByTimeAsync(1);
  expect(await isDone()).toBe(true);
});
