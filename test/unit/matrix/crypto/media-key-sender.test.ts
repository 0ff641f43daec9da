import { expect, test } from "@jest/globals";
import {
  createMediaKeySender,
  type MediaKeySenderDeps,
  type MediaKeyTarget,
} from "../../../../src/matrix/crypto/media-key-sender.ts";
import { createRecorder } from "../../../support/recorder.ts";

const alice: MediaKeyTarget = { userId: "@alice:lab", deviceId: "A" };
const bob: MediaKeyTarget = { userId: "@bob:lab", deviceId: "B" };

const setUp = (changes: Partial<MediaKeySenderDeps<string>> = {}, unreachable = new Set<MediaKeyTarget>()) => {
  const delivered = createRecorder<readonly [string, string]>();
  const undelivered = createRecorder<MediaKeyTarget>();
  const queries: string[][] = [];
  const sender = createMediaKeySender<string>({
    deliver: async (targets, payload) => {
      const reached = targets.filter((target) => !unreachable.has(target));
      reached.forEach(({ deviceId }) => delivered.push([deviceId, payload]));
      return targets.filter((target) => unreachable.has(target));
    },
    queryDevices: async (users) => {
      queries.push([...users]);
    },
    isMember: () => true,
    onUndelivered: undelivered.push,
    retryDelaysMs: [0, 1, 1],
    ...changes,
  });
  return { sender, delivered, undelivered, queries, unreachable };
};

test("a device that is not known yet gets the key after its user's devices were asked for", async () => {
  const unreachable = new Set([bob]);
  const { sender, delivered, queries } = setUp(
    {
      queryDevices: async (users) => {
        queries.push([...users]);
        unreachable.delete(bob);
      },
    },
    unreachable,
  );
  await sender.send([alice, bob], "first");
  expect(delivered.all).toEqual([["A", "first"]]);
  await delivered.next("bob's key", ([device]) => device === "B");
  expect(queries).toEqual([[bob.userId]]);
  sender.stop();
});

test("a delivery that fails as a whole is tried again for everybody", async () => {
  let failures = 1;
  const { sender, delivered } = setUp({
    deliver: async (targets, payload) => {
      if (failures > 0) {
        failures -= 1;
        throw new Error("no one-time keys");
      }
      targets.forEach(({ deviceId }) => delivered.push([deviceId, payload]));
      return [];
    },
  });
  await sender.send([alice, bob], "first");
  await delivered.next("bob's key", ([device]) => device === "B");
  expect(delivered.all).toHaveLength(2);
  sender.stop();
});

test("who cannot be reached in all attempts is reported", async () => {
  const { sender, undelivered, queries } = setUp({}, new Set([bob]));
  await sender.send([alice, bob], "first");
  expect(await undelivered.next("bob")).toBe(bob);
  expect(queries).toHaveLength(3);
  sender.stop();
});

test("a retry carries the newest key, and ends for whom a newer key was meant", async () => {
  const { sender, delivered, unreachable } = setUp({ retryDelaysMs: [1, 1, 1] }, new Set([bob]));
  await sender.send([bob], "old");
  // A joiner gets the key the others have; bob is still waiting for it.
  await sender.send([alice], "new");
  unreachable.delete(bob);
  await delivered.next("bob's key", ([device]) => device === "B");
  expect(delivered.all).toEqual([
    ["A", "new"],
    ["B", "new"],
  ]);
  sender.stop();
});

test("a member that has left is not tried again", async () => {
  const asked = createRecorder<string>();
  const { sender, delivered, undelivered } = setUp(
    {
      isMember: ({ userId }) => {
        asked.push(userId);
        return false;
      },
    },
    new Set([bob]),
  );
  await sender.send([bob], "first");
  await asked.next("question about bob");
  expect([delivered.all, undelivered.all]).toEqual([[], []]);
  sender.stop();
});

test("nothing is sent after the end", async () => {
  const { sender, queries } = setUp({}, new Set([bob]));
  await sender.send([bob], "first");
  sender.stop();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(queries).toEqual([]);
});
