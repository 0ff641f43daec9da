// Numbers that are not called: each refusal says why, makes nothing, and no call beside it notices.
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { type RoomHand, roomHand, userExists } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { memberEvent, putEvents } from "../support/e2e/transactions.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 30_000;
jest.setTimeout(TIMEOUT_MS);

let scene: Scene;
let good: GoodCall;
/** Plain, with the bot; alice and carol are in its call. */
let room: RoomHand;
let bot: string;

beforeAll(async () => {
  scene = await startScene();
  good = await startGoodCall(scene);
  const { lab, alice, carol } = scene;
  bot = lab.gateway.botUserId;
  room = roomHand(lab, await scene.createRoom({ encrypted: false }), alice);
  await room.joinCallSilently(alice);
  await room.joinCallSilently(carol);
  await room.untilBotHasRead(alice);
}, 600_000);
afterAll(async () => {
  await good?.stop();
  await scene?.stop();
}, 60_000);

/** Nobody was called, nothing is kept, and the ghost was not made. */
const expectNothingHappened = async (ghost?: string): Promise<void> => {
  expect((await scene.lab.pbx.calls()).map(({ number }) => number)).toEqual(["1002"]);
  expect(await scene.calls(room.roomId)).toEqual([]);
  if (ghost !== undefined) expect(await userExists(scene.lab, ghost)).toBe(false);
};

describe("asked by the API", () => {
  test.each([
    { number: "hello", status: 400, errcode: "INVALID_NUMBER", words: 'it holds "h"' },
    { number: "+33 1 40 50", status: 400, errcode: "INVALID_NUMBER", words: "no such number" },
    { number: "+999 1234 5678", status: 400, errcode: "INVALID_NUMBER", words: "no such number" },
    { number: "+33112", status: 400, errcode: "INVALID_NUMBER", words: "no such number" },
    { number: "+1001", status: 400, errcode: "INVALID_NUMBER", words: "no such number" },
    { number: "１００１", status: 400, errcode: "INVALID_NUMBER", words: "U+FF11" },
    { number: "1001@127.0.0.1", status: 400, errcode: "INVALID_NUMBER", words: 'it holds "@"' },
    { number: "1001;transport=tcp", status: 400, errcode: "INVALID_NUMBER", words: 'it holds ";"' },
    { number: "PJSIP/1001", status: 400, errcode: "INVALID_NUMBER", words: 'it holds "P"' },
    { number: "0".repeat(40), status: 400, errcode: "INVALID_NUMBER", words: "too many digits" },
    { number: "1".repeat(65), status: 400, errcode: "BAD_REQUEST", words: "number" },
    { number: "", status: 400, errcode: "BAD_REQUEST", words: "number" },
    { number: "112", status: 403, errcode: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "15", status: 403, errcode: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "0112", status: 403, errcode: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "0 15", status: 403, errcode: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "11299", status: 403, errcode: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "3631", status: 403, errcode: "NUMBER_NOT_PERMITTED", words: "class short-code" },
    { number: "2001", status: 403, errcode: "NUMBER_NOT_PERMITTED", words: "class short-code" },
    { number: "+33 899 70 12 34", status: 403, errcode: "NUMBER_NOT_PERMITTED", words: "class premium" },
    { number: "+881 6 2345 6789", status: 403, errcode: "NUMBER_NOT_PERMITTED", words: "class premium" },
    { number: "+49 30 901820", status: 403, errcode: "NUMBER_NOT_PERMITTED", words: "class international" },
  ])("$number is $errcode", async ({ number, status, errcode, words }) => {
    const { lab } = scene;
    const answer = await lab.gateway.api("POST", "/api/v1/calls", { room_id: room.roomId, number });
    expect(answer).toEqual({ status, body: { errcode, error: expect.stringContaining(words) } });
    const digits = number.replaceAll(/[^+0-9]/g, "");
    await expectNothingHappened(digits === "1001" ? undefined : lab.gateway.ghost(digits));
  });
});

describe("asked by a command", () => {
  test.each([
    { number: "hello", code: "INVALID_NUMBER", words: "not a phone number" },
    { number: "112", code: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "0112", code: "EMERGENCY_NOT_PERMITTED", words: "Use a telephone" },
    { number: "3631", code: "NUMBER_NOT_PERMITTED", words: "class short-code" },
    { number: "0899 70 12 35", code: "NUMBER_NOT_PERMITTED", words: "class premium" },
  ])(
    "!phone add $number is answered with $code",
    async ({ number, code, words }) => {
      const before = (await room.notices(bot)).length;
      await room.say(scene.alice, `!phone add ${number}`);
      const [notice, ...more] = await until("an answer", async () => {
        const notices = (await room.notices(bot)).slice(before);
        return notices.length > 0 ? notices : undefined;
      });
      expect(notice).toContain(words);
      expect(notice).toContain(`(${code})`);
      expect(more).toEqual([]);
      await expectNothingHappened();
    },
    TIMEOUT_MS,
  );

  test("a user without a rule is told so", async () => {
    await room.say(scene.carol, "!phone add 1001");
    const notice = await room.waitForNotice(bot, "class internal");
    expect(notice).toContain("An administrator can allow it");
    expect(notice).toContain("(NUMBER_NOT_PERMITTED)");
    await expectNothingHappened(scene.lab.gateway.ghost("1001"));
  });
});

describe("asked by an invite", () => {
  interface Refusal {
    readonly what: string;
    readonly by: "alice" | "carol";
    readonly ghost: string;
    readonly code: string;
    readonly words: string;
  }

  test.each<Refusal>([
    { what: "no number", by: "alice", ghost: "hello", code: "INVALID_NUMBER", words: "not the id of a phone number" },
    { what: "no such number", by: "alice", ghost: "+33140", code: "INVALID_NUMBER", words: "no such number" },
    { what: "an emergency number", by: "alice", ghost: "112", code: "EMERGENCY_NOT_PERMITTED", words: "Use a tele" },
    { what: "a short code", by: "alice", ghost: "3631", code: "NUMBER_NOT_PERMITTED", words: "class short-code" },
    { what: "a premium number", by: "alice", ghost: "+33899701234", code: "NUMBER_NOT_PERMITTED", words: "premium" },
    { what: "no permission", by: "carol", ghost: "1001", code: "NUMBER_NOT_PERMITTED", words: "class internal" },
  ])(
    "$what: the ghost declines with $code, and the bot says why, once",
    async ({ by, ghost: number, code, words }) => {
      const { lab } = scene;
      const ghost = lab.gateway.ghost(number);
      const before = (await room.notices(bot)).length;
      await room.invite(scene[by], ghost);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: scene.alice }, "leave");
      const declined = await room.state<{ reason: string }>("m.room.member", ghost);
      expect(declined?.reason).toContain(words);
      expect(declined?.reason).toContain(`(${code})`);
      const said = await until("the notice", async () => {
        const notices = (await room.notices(bot)).slice(before);
        return notices.length > 0 ? notices : undefined;
      });
      expect(said).toEqual([declined?.reason]);
      await expectNothingHappened();
    },
    TIMEOUT_MS,
  );

  test(
    "an id that is not canonical names the right one",
    async () => {
      const { lab, alice } = scene;
      const right = lab.gateway.ghost("+33140506070");
      const ghost = lab.gateway.ghost("0140506070");
      await room.invite(alice, ghost);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: alice }, "leave");
      const notice = await room.waitForNotice(bot, `use ${right}`);
      expect(notice).toContain("(NUMBER_NOT_CANONICAL)");
      await expectNothingHappened(right);
    },
    TIMEOUT_MS,
  );
});

describe("asked from a server that no rule names", () => {
  const roomId = "!elsewhere:evil.example";
  const sender = "@mallory:evil.example";
  const invite = (user: string) => memberEvent({ roomId, sender, user, membership: "invite" });
  /** Rejections that reached the homeserver. */
  const rejections = async (): Promise<number> => {
    const log = await readFile(scene.lab.log("synapse"), "utf8");
    const path = `rooms/${encodeURIComponent(roomId)}/leave`;
    return log.split("\n").filter((line) => line.includes("Processed request") && line.includes(path)).length;
  };

  test(
    "an unknown ghost is not made for a stranger, and a known one declines without a word, at most ten times a minute",
    async () => {
      const { lab } = scene;
      const unknown = lab.gateway.ghost("+33140506071");
      const known = lab.gateway.ghost("1002");
      await putEvents(lab, [invite(unknown), ...Array.from({ length: 15 }, () => invite(known)), invite(unknown)]);
      // Events of a room are handled in their order: after these nothing of the above is under way.
      const declined = lab.gateway.ghost("+33899701239");
      await putEvents(lab, [memberEvent({ roomId, sender: scene.alice.userId, user: declined, membership: "invite" })]);
      await until("the last event", async () => ((await userExists(lab, declined)) ? true : undefined));
      await until("the rejections", async () => ((await rejections()) >= 11 ? true : undefined));
      // Ten of the stranger's, and the one that marks the end.
      expect(await rejections()).toBe(11);
      await expectNothingHappened(unknown);
    },
    TIMEOUT_MS,
  );
});

test("the call beside has not noticed anything", () => good.expectUnharmed(), TIMEOUT_MS);
