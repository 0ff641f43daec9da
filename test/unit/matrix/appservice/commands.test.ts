import { expect, test } from "@jest/globals";
import { isOver } from "../../../../src/calls/call.ts";
import type { WaitingCaller } from "../../../../src/calls/moderation-ports.ts";
import type { CallRecord } from "../../../../src/calls/ports.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { callId, legId, roomId, userId } from "../../../../src/ids.ts";
import { createCommands, HELP, parseCommand, type Command } from "../../../../src/matrix/appservice/commands.ts";
import { ghostOf } from "../../../../src/numbering/ghost-id.ts";
import { parseNumber } from "../../../../src/numbering/parse.ts";
import { createTestLog } from "../../../support/log.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const ROOM = roomId("!r:example.org");
const ALICE = userId("@alice:example.org");
const NOW_MS = Date.UTC(2026, 10, 21, 14, 30);

test.each<[string, Command | undefined]>([
  ["!phone add +33 1 40 50 60 70", { name: "add", number: "+33 1 40 50 60 70" }],
  ["!phone  ADD\t1001 ", { name: "add", number: "1001" }],
  ["!phone add 01 40 50 60 70 Confirm", { name: "add", number: "01 40 50 60 70", confirm: "key" }],
  ["!phone add confirm", { name: "help" }],
  ["!phone hangup", { name: "hangup" }],
  ["!phone hangup 01 40 50 60 70", { name: "hangup", number: "01 40 50 60 70" }],
  ["!PHONE list", { name: "list" }],
  ["!phone help", { name: "help" }],
  ["!phone", { name: "help" }],
  ["!phone add", { name: "help" }],
  ["!phone dance 1001", { name: "help" }],
  ["!phone dialin on", { name: "dialin", action: { name: "on" } }],
  ["!phone call +33 1 40 50 60 70", { name: "call", number: "+33 1 40 50 60 70" }],
  ["!phone call", { name: "help" }],
  ["!phone keys 123#", { name: "keys", keys: "123#" }],
  ["!phone keys", { name: "help" }],
  ["!phone transfer 1002", { name: "transfer", number: "1002" }],
  ["!phone transfer", { name: "help" }],
  ["!phone History", { name: "history" }],
  ["!phone DIALIN On  FR ", { name: "dialin", action: { name: "on", language: "fr" } }],
  ["!phone dialin off", { name: "dialin", action: { name: "off" } }],
  ["!phone dialin new-pin", { name: "dialin", action: { name: "new-pin" } }],
  ["!phone dialin", { name: "help" }],
  ["!phone dialin on it", { name: "help" }],
  ["!phone dialin on fr de", { name: "help" }],
  ["!phone dialin off now", { name: "help" }],
  ["!phone dialin new-pin 12345678", { name: "help" }],
  ["!phone dialin constructor", { name: "help" }],
  ["!phone mute", { name: "mute" }],
  ["!phone Mute all", { name: "mute", number: "all" }],
  ["!phone unmute +33*******70", { name: "unmute", number: "+33*******70" }],
  ["!phone drop 1001", { name: "hangup", number: "1001" }],
  ["!phone lock", { name: "lock" }],
  ["!phone lock 1001", { name: "help" }],
  ["!phone unlock", { name: "unlock" }],
  ["!phone who", { name: "who" }],
  ["!phone admit 1001", { name: "admit", number: "1001" }],
  ["!phone refuse", { name: "refuse" }],
  ["!phone bind @bob:example.org 1002", { name: "bind", user: userId("@bob:example.org"), number: "1002" }],
  ["!phone bind 1002", { name: "help" }],
  ["!phone bindings", { name: "bindings" }],
  ["!phonebook add 1001", undefined],
  ["please !phone add 1001", undefined],
  ["phone add 1001", undefined],
  ["", undefined],
])("reads %j", (body, command) => {
  expect(parseCommand(body)).toEqual(command);
});

test("an endless number is cut", () => {
  const command = parseCommand(`!phone add ${"1".repeat(60_000)}`);
  expect(command).toEqual({ name: "add", number: "1".repeat(64) });
});

const call = (digits: string, more: Partial<CallRecord> = {}): CallRecord => {
  const number = parseNumber(digits, PLAN);
  return {
    callId: callId(`call ${digits}`),
    legId: legId(`leg ${digits}`),
    direction: "outbound",
    roomId: ROOM,
    ghost: ghostOf(number, "example.org"),
    number,
    subject: { kind: "user", userId: ALICE },
    state: "active",
    createdAtMs: NOW_MS - 90 * 60_000,
    ...more,
  };
};

interface World {
  readonly say: (body: string) => Promise<string>;
  readonly asked: unknown[];
  readonly lines: readonly { level: string; message: string; fields: object }[];
}

const worldWith = (
  running: readonly CallRecord[],
  add: () => Promise<CallRecord> = async () => call("1001"),
  waiting: readonly WaitingCaller[] = [],
): World => {
  const asked: unknown[] = [];
  const { log, lines } = createTestLog();
  const run = createCommands({
    calls: {
      add: (request) => {
        asked.push(request);
        return add();
      },
      hangup: async (request) => {
        asked.push(request);
        const found = running.find((one) => one.callId === request.callId);
        if (found === undefined) throw new Error("unknown call");
        return found;
      },
      inRoom: () => running.filter((one) => !isOver(one)),
      atDoor: () => waiting,
      list: () => [...running].reverse(),
      transfer: async (request) => void asked.push(request),
      press: async (request) => void asked.push(request),
    },
    moderate: async (message) => {
      asked.push(message);
      return "done";
    },
    bindings: async ({ command }) => command.name,
    openChat: async (person, number) => `${person} may call ${number}`,
    dialin: async (message) => {
      asked.push(message);
      if (message.action.name === "off") throw new GatewayError("UNAUTHORIZED", "Only moderators may.");
      return `dial-in ${message.action.name}`;
    },
    numberPlan: PLAN,
    nowMs: () => NOW_MS,
    log,
  });
  return {
    asked,
    lines,
    say: (body) => run({ room: ROOM, sender: ALICE, command: parseCommand(body) ?? { name: "help" } }),
  };
};

test("add starts a call in the name of the sender", async () => {
  const world = worldWith([], async () => call("+33140506070"));
  await expect(world.say("!phone add 01 40 50 60 70")).resolves.toBe("Calling +33 1 40 50 60 70 …");
  expect(world.asked).toEqual([
    { roomId: ROOM, number: "01 40 50 60 70", subject: { kind: "user", userId: ALICE }, via: "command" },
  ]);
});

test("add with confirm lets the phone press a key", async () => {
  const world = worldWith([]);
  await world.say("!phone add 1001 confirm");
  expect(world.asked).toMatchObject([{ number: "1001", confirm: "key" }]);
});

test("list names numbers, states and times", async () => {
  const world = worldWith([
    call("+33140506070", { answeredAtMs: NOW_MS - 65 * 60_000 }),
    call("1001", { state: "alerting", createdAtMs: NOW_MS - 12_000 }),
    call("1002", { state: "connecting", answeredAtMs: NOW_MS - 3 * 60_000 - 59_000 }),
  ]);
  await expect(world.say("!phone list")).resolves.toBe(
    [
      "+33 1 40 50 60 70 is in the call since 13:25 UTC (1 h 5 min)",
      "1001 is ringing since 14:29 UTC (12 s)",
      "1002 is being connected since 14:26 UTC (3 min)",
    ].join("\n"),
  );
  await expect(worldWith([]).say("!phone list")).resolves.toBe("There is no phone in this room's call.");
});

test("hangup ends the only phone, also when another is leaving already", async () => {
  const world = worldWith([call("1001", { state: "ending" }), call("1002")]);
  await expect(world.say("!phone hangup")).resolves.toBe("Hung up 1002.");
  expect(world.asked).toEqual([{ callId: "call 1002", subject: { kind: "user", userId: ALICE } }]);
});

test.each([
  ["!phone hangup", "Which one? Write !phone hangup and one of +33 1 40 50 60 70, 1001. (BAD_REQUEST)"],
  ["!phone hangup 0140506070", "Hung up +33 1 40 50 60 70."],
  ["!phone hangup 1002", "That number is not in this room's call. (CALL_NOT_FOUND)"],
  ["!phone hangup Alice", expect.stringMatching(/\(INVALID_NUMBER\)$/)],
])("with two phones, %s", async (body, answer) => {
  await expect(worldWith([call("+33140506070"), call("1001")]).say(body)).resolves.toEqual(answer);
});

test("keys go to the only phone, history tells the last calls", async () => {
  const world = worldWith([
    call("1001", { state: "ended", outcome: "busy" }),
    call("+33140506070", { answeredAtMs: NOW_MS - 89 * 60_000 }),
  ]);
  await expect(world.say("!phone history")).resolves.toBe(
    [
      "2026-11-21 13:00 UTC, +33 1 40 50 60 70: Outgoing call, answered. The telephone side is not end-to-end encrypted.",
      "2026-11-21 13:00 UTC, 1001: Outgoing call: the line is busy.",
    ].join("\n"),
  );
  const alone = worldWith([call("1001")]);
  await expect(alone.say("!phone keys 12 3#")).resolves.toBe("Pressed.");
  expect(alone.asked).toEqual([{ callId: "call 1001", subject: { kind: "user", userId: ALICE }, keys: "12 3#" }]);
  await expect(alone.say("!phone transfer 1002")).resolves.toBe("1001 is being connected with 1002.");
  expect(alone.asked.at(-1)).toMatchObject({ callId: "call 1001", number: "1002" });
  await expect(worldWith([]).say("!phone history")).resolves.toBe("There was no call in this room.");
});

test("without a phone there is nothing to hang up", async () => {
  await expect(worldWith([]).say("!phone hangup")).resolves.toBe(
    "There is no phone in this room's call. (CALL_NOT_FOUND)",
  );
});

test("a refusal is told with its code; the log names no number", async () => {
  const world = worldWith([], async () => {
    throw new GatewayError("LIMIT_REACHED", "You called too often; +33140506070 must wait.");
  });
  await expect(world.say("!phone add 1001")).resolves.toBe(
    "You called too often; +33140506070 must wait. (LIMIT_REACHED)",
  );
  expect(world.lines).toEqual([
    { level: "info", message: "command refused", fields: { code: "LIMIT_REACHED", roomId: ROOM, command: "add" } },
  ]);
});

test("dial-in is asked for in the name of the sender, and its refusals are told", async () => {
  const world = worldWith([]);
  await expect(world.say("!phone dialin new-pin")).resolves.toBe("dial-in new-pin");
  expect(world.asked).toEqual([{ room: ROOM, sender: ALICE, action: { name: "new-pin" } }]);
  await expect(world.say("!phone dialin off")).resolves.toBe("Only moderators may. (UNAUTHORIZED)");
});

test("words of an unforeseen error stay in the log", async () => {
  const world = worldWith([], async () => {
    throw new TypeError("x is not a function");
  });
  const answer = await world.say("!phone add 1001");
  expect(answer).toBe("The gateway had an internal error; its log says more. (INTERNAL)");
  expect(world.lines.map(({ level, message }) => [level, message])).toEqual([
    ["error", "command failed: x is not a function"],
  ]);
});

test("list names those who wait as well", async () => {
  const { number, ghost } = call("+33612345678");
  const waiting = [{ legId: legId("in"), roomId: ROOM, ghost, number, name: "+33*******78", sinceMs: 0 }];
  const world = worldWith([], undefined, waiting);
  await expect(world.say("!phone list")).resolves.toBe("+33*******78 waits to be let in");
});

test("what moderators ask for is asked in the name of the sender", async () => {
  const world = worldWith([]);
  await expect(world.say("!phone mute 1001")).resolves.toBe("done");
  expect(world.asked).toEqual([{ room: ROOM, sender: ALICE, command: { name: "mute", number: "1001" } }]);
});

test("help explains every command", async () => {
  await expect(worldWith([]).say("!phone what")).resolves.toBe(HELP);
});
