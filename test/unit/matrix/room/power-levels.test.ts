import { expect, test } from "@jest/globals";
import { readPowerLevels } from "../../../../src/matrix/room/power-levels.ts";

const MEMBER = "org.matrix.msc3401.call.member";
const ALICE = "@alice:example.org";
const BOB = "@bob:example.org";
const create = (version: string, more: object = {}) => ({ sender: ALICE, content: { room_version: version, ...more } });

test("reads levels and their defaults", () => {
  const power = readPowerLevels(
    { users: { [ALICE]: 100 }, users_default: 5, events: { [MEMBER]: 0 }, invite: 20, kick: 60 },
    create("11"),
  );
  expect([power.of(ALICE), power.of(BOB)]).toEqual([100, 5]);
  expect([power.toInvite, power.toKick]).toEqual([20, 60]);
  expect([power.toSendState(MEMBER), power.toSendState("m.room.name")]).toEqual([0, 50]);
});

test("a room with empty levels asks 50 for state and 0 for invites", () => {
  const power = readPowerLevels({}, create("11"));
  expect([power.toSendState(MEMBER), power.toInvite, power.toKick, power.of(ALICE)]).toEqual([50, 0, 50, 0]);
});

test("a room without levels asks nothing for state, and its creator has 100", () => {
  const power = readPowerLevels(undefined, create("11"));
  expect([power.toSendState(MEMBER), power.toInvite, power.toKick]).toEqual([0, 0, 50]);
  expect([power.of(ALICE), power.of(BOB)]).toEqual([100, 0]);
});

test("creators of room version 12 stand above every level", () => {
  const power = readPowerLevels(
    { users: { [BOB]: 150 } },
    create("12", { additional_creators: ["@carol:example.org"] }),
  );
  expect(power.of(ALICE)).toBe(Number.POSITIVE_INFINITY);
  expect(power.of("@carol:example.org")).toBe(Number.POSITIVE_INFINITY);
  expect(power.of(BOB)).toBe(150);
  expect(readPowerLevels({}, create("11", { additional_creators: [BOB] })).of(BOB)).toBe(0);
});

test("levels written as text count, as in old room versions", () => {
  const power = readPowerLevels({ users: { [BOB]: "50" }, state_default: " 75" }, create("9"));
  expect([power.of(BOB), power.toSendState(MEMBER)]).toEqual([50, 75]);
});

test("broken levels give nobody power", () => {
  const power = readPowerLevels({ users: "everybody" }, create("11"));
  expect([power.of(ALICE), power.toSendState(MEMBER)]).toEqual([0, 50]);
});
