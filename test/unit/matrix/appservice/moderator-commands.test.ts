import { expect, test } from "@jest/globals";
import type { WaitingCaller } from "../../../../src/calls/moderation-ports.ts";
import type { CallRecord, Subject } from "../../../../src/calls/ports.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { callId, legId, roomId, trunkId, userId } from "../../../../src/ids.ts";
import {
  createDoorReactions,
  createModeratorCommands,
  parseModeratorCommand,
} from "../../../../src/matrix/appservice/moderator-commands.ts";
import { ghostOf, maskedGhostOf } from "../../../../src/numbering/ghost-id.ts";
import { parseNumber } from "../../../../src/numbering/parse.ts";
import { createTestLog } from "../../../support/log.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const ROOM = roomId("!r:example.org");
const ALICE = userId("@alice:example.org");
const BOB = userId("@bob:example.org");

const call = (digits: string, name?: string): CallRecord => {
  const number = parseNumber(digits, PLAN);
  return {
    callId: callId(`call ${digits}`),
    legId: legId(`leg ${digits}`),
    direction: "inbound",
    roomId: ROOM,
    ghost: ghostOf(number, "example.org"),
    number,
    ...(name === undefined ? {} : { name }),
    subject: { kind: "trunk", trunkId: trunkId("xivo") },
    state: "active",
    createdAtMs: 0,
  };
};
const MASKED = call("+33612345678", "+33*******78");

const WAITING: WaitingCaller = {
  legId: legId("at the door"),
  roomId: ROOM,
  ghost: maskedGhostOf("abcdefghijkl", "example.org"),
  number: parseNumber("+33687654321", PLAN),
  name: "+33*******21",
  announcement: "$asks",
  sinceMs: 0,
};

/** Alice is the moderator, as the calls see it. */
const worldWith = (running: readonly CallRecord[], waiting: readonly WaitingCaller[] = []) => {
  const asked: object[] = [];
  const whispered: unknown[] = [];
  const { log, lines } = createTestLog();
  const ask = async (request: { readonly subject: Subject }): Promise<void> => {
    const { subject } = request;
    if (subject.kind !== "user" || subject.userId !== ALICE) throw new GatewayError("UNAUTHORIZED", "You may not.");
    asked.push(request);
  };
  const deps = {
    calls: {
      inRoom: () => running,
      atDoor: () => waiting,
      moderate: async (request: Parameters<typeof ask>[0]) => {
        await ask(request);
        return MASKED;
      },
      lock: ask,
      answerDoor: ask,
    },
    isModerator: (_room: string, user: string) => user === ALICE,
    sayPrivately: async (...words: unknown[]) => void whispered.push(words),
    numberPlan: PLAN,
    log,
  };
  const run = createModeratorCommands(deps);
  const react = createDoorReactions(deps);
  return {
    asked,
    whispered,
    lines,
    say: (text: string, sender = ALICE) => {
      const [verb = "", ...rest] = text.split(" ");
      const command = parseModeratorCommand(verb, rest.join(" "));
      if (command === undefined) throw new Error(`no command: ${text}`);
      return run({ room: ROOM, sender, command });
    },
    react: (key: string, eventId = "$asks", sender = ALICE) => react({ room: ROOM, sender, eventId, key }),
  };
};
const subject = { kind: "user", userId: ALICE };

test.each([
  ["mute +33*******78", "Muted +33*******78.", ["call +33612345678"]],
  ["mute 06 12 34 56 78", "Muted +33*******78.", ["call +33612345678"]],
  ["unmute 1001", "Asked 1001 to unmute: only the phone's own *6 does that.", ["call 1001"]],
  ["mute all", "Muted +33*******78, 1001.", ["call +33612345678", "call 1001"]],
])("%s", async (text, answer, calls) => {
  const world = worldWith([MASKED, call("1001")]);
  await expect(world.say(text)).resolves.toBe(answer);
  const action = text.split(" ")[0];
  expect(world.asked).toEqual(calls.map((id) => ({ callId: id, subject, action })));
});

test("which phone is asked when there are several", async () => {
  await expect(worldWith([MASKED, call("1001")]).say("mute")).rejects.toThrow(
    "Which one? Write !phone mute and one of +33*******78, 1001.",
  );
});

test("who tells the full numbers to the moderator alone", async () => {
  const world = worldWith([MASKED], [WAITING]);
  const answer = await world.say("who");
  expect(answer).not.toMatch(/6 ?12/);
  expect(world.whispered).toEqual([[ALICE, "+33*******78: +33 6 12 34 56 78\n+33*******21: +33 6 87 65 43 21"]]);
  expect(JSON.stringify(world.lines)).not.toMatch(/12345678|12 34 56/);
});

test.each(["who", "lock", "unlock", "mute", "admit"])("%s is for moderators", async (text) => {
  const world = worldWith([MASKED], [WAITING]);
  await expect(world.say(text, BOB)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  expect([world.asked, world.whispered]).toEqual([[], []]);
});

test("lock and unlock", async () => {
  const world = worldWith([]);
  await world.say("lock");
  await world.say("unlock");
  expect(world.asked).toEqual([
    { roomId: ROOM, subject, isLocked: true },
    { roomId: ROOM, subject, isLocked: false },
  ]);
});

test.each([
  ["admit", true, "+33*******21 comes in."],
  ["refuse 0687654321", false, "+33*******21 was sent away."],
])("%s answers who waits", async (text, isAdmitted, answer) => {
  const world = worldWith([], [WAITING]);
  await expect(world.say(text)).resolves.toBe(answer);
  expect(world.asked).toEqual([{ roomId: ROOM, legId: WAITING.legId, subject, isAdmitted }]);
});

test("nobody waits", async () => {
  await expect(worldWith([MASKED]).say("admit")).rejects.toThrow("Nobody waits to be let in.");
});

test.each([
  ["\u2705", true],
  ["\u2714\uFE0F", true],
  ["\u{1F44D}\u{1F3FD}", true],
  ["\u274C", false],
])("the reaction %s answers who waits", async (key, isAdmitted) => {
  const world = worldWith([], [WAITING]);
  await expect(world.react(key)).resolves.toBeUndefined();
  expect(world.asked).toEqual([{ roomId: ROOM, legId: WAITING.legId, subject, isAdmitted }]);
});

test("reactions to other messages, of others, and other emojis let nobody in", async () => {
  const world = worldWith([], [WAITING]);
  await world.react("\u2705", "$other");
  await world.react("\u{1F389}");
  await expect(world.react("\u2705", "$asks", BOB)).resolves.toBeUndefined();
  expect(world.asked).toEqual([]);
});
