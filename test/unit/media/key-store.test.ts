import { expect, test } from "@jest/globals";

import { createKeyStore } from "../../../src/media/key-store.ts";

const key = (identity: string, index: number) => ({ identity, index, key: Uint8Array.of(index) });

test("keeps the four newest keys of each member, the newest last, until the call is dropped", () => {
  const store = createKeyStore();
  for (const index of [0, 1, 2, 3, 4]) store.add("call", key("alice", index));
  store.add("call", key("bob", 9));
  store.add("call", key("alice", 2));
  const names = store.of("call").map(({ identity, index }) => `${identity}${index}`);
  expect(names).toEqual(["alice1", "alice3", "alice4", "bob9", "alice2"]);
  store.drop("call");
  expect(store.of("call")).toEqual([]);
});

test("a thousand calls are kept, then the oldest is forgotten", () => {
  const store = createKeyStore();
  for (let call = 0; call <= 1000; call++) store.add(`call${call}`, key("alice", 0));
  expect(store.of("call0")).toEqual([]);
  expect(store.of("call1")).toHaveLength(1);
});
