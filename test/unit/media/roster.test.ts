import { expect, test } from "@jest/globals";

import { createRoster } from "../../../src/media/roster.ts";

test("members that any call knows are heard, once, however many calls know them", () => {
  const roster = createRoster();
  expect(roster.wants("alice")).toBe(false);
  roster.setMembers("one", ["alice", "bob", "alice"]);
  roster.setMembers("two", ["alice"]);
  expect([roster.wants("alice"), roster.wants("bob"), roster.wants("mallory")]).toEqual([true, true, false]);
  roster.setMembers("one", ["bob"]);
  expect(roster.wants("alice")).toBe(true);
  roster.setMembers("two", []);
  expect([roster.wants("alice"), roster.wants("bob")]).toEqual([false, true]);
});

test("our own phones are not heard through the SFU, until the last connection of their identity is closed", () => {
  const roster = createRoster();
  roster.setMembers("one", ["phone"]);
  roster.arrived("phone");
  roster.arrived("phone");
  roster.departed("phone");
  expect([roster.isOurs("phone"), roster.wants("phone")]).toEqual([true, false]);
  roster.departed("phone");
  expect([roster.isOurs("phone"), roster.wants("phone")]).toEqual([false, true]);
});
