import { expect, test } from "@jest/globals";
import { createDoor } from "../../../src/calls/door.ts";
import type { IncomingCall, Subject } from "../../../src/calls/ports.ts";
import { GatewayError } from "../../../src/errors.ts";
import { ghostUserId, legId, trunkId } from "../../../src/ids.ts";
import { ALICE, createMemoryLocks, quietLog, ROOM } from "../../support/fake-ports.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { NUMBER } from "./fixtures.ts";
import { alice, bob } from "./service-fixtures.ts";

const GHOST = ghostUserId("@tel_xabcdefghijkl:example.org");
const NAME = "+33*******70";
const incoming = (leg = "in-1"): IncomingCall => ({
  legId: legId(leg),
  trunkId: trunkId("first"),
  called: "8500",
  caller: { isHidden: true },
});
const flush = () => new Promise((resolve) => setImmediate(resolve));

interface Options {
  readonly way?: "open" | "knock" | "closed";
  readonly knock?: () => Promise<void>;
  readonly untilLeft?: () => Promise<void>;
}

const start = ({ way = "knock", knock = async () => {}, untilLeft = async () => {} }: Options = {}) => {
  const asked: string[] = [];
  const clock = createManualClock();
  const door = createDoor({
    port: {
      wayInto: () => way,
      knock: async (_room, ghost, name) => {
        asked.push(`knock ${ghost} ${name}`);
        await knock();
      },
      withdraw: async () => void asked.push("withdraw"),
      invite: async () => void asked.push("invite"),
      announce: async (_room, { name }) => {
        asked.push(`announce ${name}`);
        return "$asks";
      },
    },
    rooms: { isModerator: (_room, user) => user === ALICE },
    locks: createMemoryLocks(),
    registry: { ofGhost: () => [], untilLeft },
    find: () => ({
      destination: { kind: "room", roomId: ROOM },
      rule: "room",
      caller: { number: NUMBER, ghost: GHOST, name: NAME },
      voice: { language: "fr" },
    }),
    waitMs: 600_000,
    clock,
    log: quietLog,
  });
  const answers: string[] = [];
  const arrive = async (leg?: string) => {
    const visit = door.approach(incoming(leg));
    void visit?.answer.then((answer) => answers.push(answer));
    await flush();
    return visit;
  };
  const answer = (isAdmitted: boolean, subject: Subject = alice) =>
    door.answerDoor({ roomId: ROOM, legId: legId("in-1"), subject, isAdmitted });
  return { door, asked, clock, answers, arrive, answer };
};

test("an open room keeps nobody waiting", async () => {
  const world = start({ way: "open" });
  expect(await world.arrive()).toBeUndefined();
  expect([world.asked, world.clock.armed()]).toEqual([[], 0]);
});

test("a banned caller does not even wait in a locked room: its call is refused", async () => {
  const world = start({ way: "closed" });
  await world.door.lock({ roomId: ROOM, subject: alice, isLocked: true });
  expect(await world.arrive()).toBeUndefined();
  expect(world.asked).toEqual([]);
});

test("a ghost that may knock does so, and the room is told who waits", async () => {
  const world = start();
  expect(await world.arrive()).toMatchObject({ roomId: ROOM, voice: { language: "fr" } });
  expect(world.asked).toEqual([`knock ${GHOST} ${NAME}`, `announce ${NAME}`]);
  const caller = { legId: "in-1", roomId: ROOM, ghost: GHOST, number: NUMBER, name: NAME };
  expect(world.door.atDoor(ROOM)).toEqual([{ ...caller, sinceMs: world.clock.nowMs(), announcement: "$asks" }]);
});

test("an invite by anybody in the room lets it in", async () => {
  const world = start();
  await world.arrive();
  expect(world.door.ghostInvited(ROOM, GHOST)).toBe(true);
  await flush();
  expect(world.answers).toEqual(["invited"]);
  expect([world.door.atDoor(ROOM), world.clock.armed()]).toEqual([[], 0]);
  // The next one is an invitation to call that number.
  expect(world.door.ghostInvited(ROOM, GHOST)).toBe(false);
});

test("a moderator's word lets the bot invite it", async () => {
  const world = start();
  await world.arrive();
  await world.answer(true);
  await flush();
  expect([world.asked.at(-1), world.answers]).toEqual(["invite", ["invited"]]);
});

test("a moderator refuses; others cannot say anything", async () => {
  const world = start();
  await world.arrive();
  await expect(world.answer(true, bob)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  await world.answer(false);
  await flush();
  expect([world.asked.at(-1), world.answers]).toEqual(["withdraw", ["refused"]]);
  await expect(world.answer(true)).rejects.toMatchObject({ code: "CALL_NOT_FOUND" });
});

test("who is thrown out while it knocks, or waits for too long, is refused", async () => {
  const world = start();
  await world.arrive();
  world.door.ghostRemoved(ROOM, GHOST, "kicked");
  await world.arrive("in-2");
  world.clock.advance(600_000);
  await flush();
  expect(world.answers).toEqual(["refused", "refused"]);
});

test("who hangs up takes its knock back, unless it waits in another call as well", async () => {
  const world = start();
  const [one, two] = [await world.arrive("in-1"), await world.arrive("in-2")];
  one?.leave();
  expect(world.asked).not.toContain("withdraw");
  two?.leave();
  two?.leave();
  expect(world.asked.filter((what) => what === "withdraw")).toHaveLength(1);
  expect(world.clock.armed()).toBe(0);
});

test("it knocks when its ghost has left after an earlier call, not before", async () => {
  const left = Promise.withResolvers<void>();
  const world = start({ untilLeft: () => left.promise });
  await world.arrive();
  expect(world.asked).toEqual([]);
  left.resolve();
  await flush();
  expect(world.asked).toHaveLength(2);
});

test("who hangs up while it knocks leaves no knock behind", async () => {
  const knocking = Promise.withResolvers<void>();
  const world = start({ knock: () => knocking.promise });
  (await world.arrive())?.leave();
  knocking.resolve();
  await flush();
  expect(world.asked.at(-1)).toBe("withdraw");
});

test("a knock that the homeserver refuses is an answer", async () => {
  const world = start({ knock: () => Promise.reject(new GatewayError("HOMESERVER_REFUSED", "no")) });
  await world.arrive();
  expect(world.answers).toEqual(["refused"]);
});

test("a locked room lets nobody in without a moderator; unlocking lets in who waits", async () => {
  const world = start({ way: "open" });
  const lock = (isLocked: boolean, subject: Subject) => world.door.lock({ roomId: ROOM, subject, isLocked });
  await expect(lock(true, bob)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  await lock(true, alice);
  await world.arrive();
  expect(world.asked).toEqual([`announce ${NAME}`]);
  // An invite of its ghost is an outbound call, as ever: it has not knocked.
  expect(world.door.ghostInvited(ROOM, GHOST)).toBe(false);
  await world.answer(true);
  await flush();
  await world.arrive();
  await lock(false, alice);
  await flush();
  expect(world.answers).toEqual(["admitted", "admitted"]);
  expect(world.asked).not.toContain("invite");
  expect(await world.arrive()).toBeUndefined();
});
