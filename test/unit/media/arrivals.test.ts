import { expect, test } from "@jest/globals";

import { type CallId, callId, type RoomId, roomId } from "../../../src/ids.ts";
import { createArrivals } from "../../../src/media/arrivals.ts";

const ROOM = roomId("!board:example.org");
const [one, two] = [callId("one"), callId("two")];

/** Tones with the second at which they were played. */
const start = () => {
  const clock = { nowMs: 0 };
  const tones: string[] = [];
  const members = new Map<CallId, readonly string[]>();
  const sendArrival = ({ roomId, tone }: { roomId: RoomId; tone: string }): void => {
    tones.push(`${tone} ${roomId === ROOM ? "" : roomId}@${clock.nowMs / 1000}`);
  };
  const worker = { process: { sendArrival } };
  const phones = new Map<CallId, { roomId: RoomId; worker: typeof worker }>();
  const arrivals = createArrivals({
    nowMs: () => clock.nowMs,
    membersOf: (call) => members.get(call) ?? [],
    phones,
  });
  const at = (seconds: number) => {
    clock.nowMs = seconds * 1000;
    return {
      setMembers: (call: CallId, identities: readonly string[]): void => {
        members.set(call, identities);
        arrivals.review(call);
      },
      bridged: (call: CallId, roomId: RoomId): void => {
        phones.set(call, { roomId, worker });
        arrivals.bridged(call);
      },
      left: (call: CallId): void => arrivals.left(call),
    };
  };
  return { at, tones, arrivals };
};

/** A phone that talks with alice. */
const talking = () => {
  const world = start();
  world.at(0).setMembers(one, ["alice"]);
  world.at(0).bridged(one, ROOM);
  return world;
};

test("members and phones that come and go; nothing of the first phone itself", () => {
  const { at, tones } = talking();
  at(10).setMembers(one, ["alice", "bob"]);
  at(20).setMembers(two, ["alice", "bob"]);
  at(20).bridged(two, ROOM);
  at(30).left(two);
  at(40).setMembers(one, ["bob"]);
  expect(tones).toEqual(["joined @10", "joined @20", "left @30", "left @40"]);
});

test("each call hears of a member in its own time: that is one tone", () => {
  const { at, tones } = talking();
  at(5).setMembers(two, ["alice"]);
  at(5).bridged(two, ROOM);
  at(10).setMembers(two, ["alice", "bob"]);
  at(12).setMembers(one, ["alice", "bob"]);
  at(20).setMembers(one, ["alice"]);
  at(22).setMembers(two, ["alice"]);
  expect(tones).toEqual(["joined @5", "joined @10", "left @22"]);
});

test("a crowd is one tone per second, and nothing is made up for", () => {
  const { at, tones } = talking();
  const crowd = Array.from({ length: 40 }, (_, i) => `member ${i}`);
  crowd.forEach((_, i) => at(10 + i / 20).setMembers(one, crowd.slice(0, i + 1)));
  expect(tones).toEqual(["joined @10", "joined @11"]);
});

test("who changes seats, or is told again, makes no tone; audio that came back neither", () => {
  const { at, tones } = talking();
  at(10).setMembers(one, ["alice"]);
  at(20).bridged(one, ROOM);
  expect(tones).toEqual([]);
});

test("another room hears nothing, and a phone that is not in the call yet counts for nothing", () => {
  const { at, tones } = talking();
  at(10).setMembers(two, ["carol"]);
  at(10).bridged(two, roomId("!other:example.org"));
  at(20).setMembers(callId("ringing"), ["alice", "dave"]);
  at(30).left(two);
  expect(tones).toEqual([]);
});

test("a call that left while its path was being opened is not there", () => {
  const { at, tones, arrivals } = talking();
  at(10);
  arrivals.bridged(callId("gone"));
  expect(tones).toEqual([]);
});
