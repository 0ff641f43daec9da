// Rooms that a phone cannot be added to: each refusal names what is missing, and leaves nothing in the room.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { type RoomHand, roomHand } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 30_000;
jest.setTimeout(TIMEOUT_MS);
const NUMBER = "1001";

let scene: Scene;
let good: GoodCall;
let ghost: string;
let bot: string;

beforeAll(async () => {
  scene = await startScene();
  good = await startGoodCall(scene);
  ghost = scene.lab.gateway.ghost(NUMBER);
  bot = scene.lab.gateway.botUserId;
}, 600_000);
afterAll(async () => {
  await good?.stop();
  await scene?.stop();
}, 60_000);

interface Setting {
  readonly encrypted?: boolean;
  readonly bot?: boolean;
  readonly live?: boolean;
  readonly powerLevels?: Record<string, unknown>;
}

/** A room of alice, bob, carol and the bot, with a live call unless told otherwise. */
const createRoom = async ({ encrypted = false, live = true, ...setting }: Setting = {}): Promise<RoomHand> => {
  const room = roomHand(scene.lab, await scene.createRoom({ encrypted, ...setting }), scene.alice);
  if (live) await room.joinCallSilently(scene.alice);
  if (setting.bot !== false) await room.untilBotHasRead(scene.alice);
  return room;
};

const askApi = (room: RoomHand, number = NUMBER) =>
  scene.lab.gateway.api("POST", "/api/v1/calls", { room_id: room.roomId, number });

const membershipOfGhost = async (room: RoomHand): Promise<string | undefined> =>
  (await room.state<{ membership: string }>("m.room.member", ghost))?.membership;

/** Nobody rang, no call is known, the ghost is not there, and nothing of it is anywhere. */
const expectNothingLeft = async (room: RoomHand): Promise<void> => {
  expect([undefined, "leave"]).toContain(await membershipOfGhost(room));
  expect(await scene.calls(room.roomId)).toEqual([]);
  expect(scene.lab.phones[NUMBER].state).toBe("idle");
};

/** The ghost declines with these words, and the bot says the same, once. */
const expectDeclined = async (room: RoomHand, words: readonly string[]): Promise<void> => {
  await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: scene.alice }, "leave");
  const reason = (await room.state<{ reason: string }>("m.room.member", ghost))?.reason;
  for (const word of words) expect(reason).toContain(word);
  const said = await until("the bot's notice", async () => {
    const notices = (await room.notices(bot)).filter((notice) => !notice.startsWith("There is no phone"));
    return notices.length > 0 ? notices : undefined;
  });
  expect(said).toEqual([reason]);
  await expectNothingLeft(room);
};

describe("without a live call", () => {
  test.each([
    { where: "in a plain room", setting: { live: false } },
    { where: "in a plain room without the bot", setting: { live: false, bot: false } },
  ])(
    "$where the invited ghost says so once, and leaves",
    async ({ setting }) => {
      const room = await createRoom(setting);
      await room.invite(scene.alice, ghost);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: scene.alice }, "leave");
      expect(await room.notices(ghost)).toEqual([
        "There is no call in this room. Start or join one, then add the phone. (NO_LIVE_CALL)",
      ]);
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );

  test(
    "in an encrypted room it says so once, encrypted, and leaves no device",
    async () => {
      const room = await createRoom({ encrypted: true, live: false });
      const before = await room.timeline();
      await room.invite(scene.alice, ghost);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: scene.alice }, "leave");
      const said = (await room.timeline())
        .slice(before.length)
        .filter(({ type }) => type === "m.room.message" || type === "m.room.encrypted");
      expect(said).toMatchObject([{ type: "m.room.encrypted", sender: ghost }]);
      await expectNothingLeft(room);
      await good.expectNothingLeft({ roomId: room.roomId, ghost, witness: scene.alice });
    },
    TIMEOUT_MS,
  );

  test(
    "command and API answer NO_LIVE_CALL; a phone alone is no live call",
    async () => {
      const room = await createRoom({ live: false });
      await room.say(scene.alice, `!phone add ${NUMBER}`);
      await room.waitForNotice(bot, "(NO_LIVE_CALL)");
      expect(await askApi(room)).toMatchObject({ status: 409, body: { errcode: "NO_LIVE_CALL" } });
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );

  test(
    "memberships that have expired, or that somebody else wrote, are no live call",
    async () => {
      const room = await createRoom();
      const own = (await room.timeline()).find(({ type }) => type.endsWith("call.member"))!;
      await room.putState(scene.alice, own.type, own.state_key!, { ...own.content, created_ts: 1, expires: 1000 });
      const foreign = `_${scene.carol.userId}_${scene.carol.deviceId}_m.call`;
      await room.putState(scene.bob, own.type, foreign, { ...own.content, device_id: scene.carol.deviceId });
      await room.untilBotHasRead(scene.alice);
      expect(await askApi(room)).toMatchObject({ status: 409, body: { errcode: "NO_LIVE_CALL" } });
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );
});

describe("what the bot lacks", () => {
  test.each([
    { what: "a room without the bot", roomOf: async () => (await createRoom({ bot: false })).roomId },
    { what: "a room that does not exist", roomOf: async () => "!nowhere:127.0.0.1" },
    { what: "a room that only another server knows", roomOf: async () => "!elsewhere:evil.example" },
  ])("$what is BOT_NOT_IN_ROOM, naming the bot", async ({ roomOf }) => {
    const roomId = await roomOf();
    const answer = await scene.lab.gateway.api("POST", "/api/v1/calls", { room_id: roomId, number: NUMBER });
    expect(answer).toMatchObject({ status: 403, body: { errcode: "BOT_NOT_IN_ROOM" } });
    expect(answer.body["error"]).toContain(`invite ${bot}`);
    expect(await scene.calls(roomId)).toEqual([]);
  });

  test(
    "a bot that was kicked is not in the room",
    async () => {
      const room = await createRoom({ live: false });
      expect(await askApi(room)).toMatchObject({ status: 409, body: { errcode: "NO_LIVE_CALL" } });
      await room.kick(scene.alice, bot);
      let seen: unknown;
      await until(
        "BOT_NOT_IN_ROOM",
        async () => {
          seen = (await askApi(room)).body["errcode"];
          return seen === "BOT_NOT_IN_ROOM" ? true : undefined;
        },
        { seen: () => seen },
      );
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );

  test(
    "the power to invite: command and API say so, an invite by somebody who may works without it",
    async () => {
      const room = await createRoom({ powerLevels: { invite: 50 } });
      await room.say(scene.bob, `!phone add ${NUMBER}`);
      const notice = await room.waitForNotice(bot, "(BOT_CANNOT_INVITE)");
      expect(notice).toContain("Give it the power to invite");
      expect(await askApi(room)).toMatchObject({ status: 403, body: { errcode: "BOT_CANNOT_INVITE" } });
      await expectNothingLeft(room);
      await room.invite(scene.alice, ghost);
      await scene.lab.phones[NUMBER].waitForRinging();
      await room.kick(scene.alice, ghost);
      await scene.lab.phones[NUMBER].waitForClosed();
      await good.expectNothingLeft({ roomId: room.roomId, ghost, witness: scene.alice });
    },
    TIMEOUT_MS,
  );
});

describe("the power to join calls, which phones lack", () => {
  const CALL_MEMBER = "org.matrix.msc3401.call.member";
  const powerLevels = { events: { [CALL_MEMBER]: 50 } };
  const words = ["needs power level 50", CALL_MEMBER, "a phone has 0", "(GHOST_LACKS_POWER)"];

  test(
    "API and command name the level",
    async () => {
      const room = await createRoom({ powerLevels });
      const { status, body } = await askApi(room);
      expect({ status, errcode: body["errcode"] }).toEqual({ status: 403, errcode: "GHOST_LACKS_POWER" });
      expect(body["error"]).toContain("needs power level 50");
      await room.say(scene.alice, `!phone add ${NUMBER}`);
      const notice = await room.waitForNotice(bot, "(GHOST_LACKS_POWER)");
      for (const word of words) expect(notice).toContain(word);
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );

  test(
    "an invited ghost declines with the level",
    async () => {
      const room = await createRoom({ powerLevels });
      await room.invite(scene.alice, ghost);
      await expectDeclined(room, words);
    },
    TIMEOUT_MS,
  );

  test(
    "without the bot the ghost has to come to see it, and leaves with the level",
    async () => {
      const room = await createRoom({ powerLevels, bot: false });
      await room.invite(scene.alice, ghost);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: scene.alice }, "leave");
      const left = await until("the reason", async () => room.state<{ reason?: string }>("m.room.member", ghost));
      for (const word of words) expect(left.reason).toContain(word);
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );
});

describe("a room that was upgraded", () => {
  test(
    "API, command and invite name the new room",
    async () => {
      const room = await createRoom();
      const replacement = "!newer:127.0.0.1";
      await room.putState(scene.alice, "m.room.tombstone", "", { body: "", replacement_room: replacement });
      await room.untilBotHasRead(scene.alice);
      const { status, body } = await askApi(room);
      expect({ status, errcode: body["errcode"] }).toEqual({ status: 409, errcode: "ROOM_UPGRADED" });
      expect(body["error"]).toContain(replacement);
      await room.invite(scene.alice, ghost);
      await expectDeclined(room, [replacement, "(ROOM_UPGRADED)"]);
      await room.say(scene.alice, `!phone add ${NUMBER}`);
      await until("the second notice", async () =>
        (await room.notices(bot)).filter((notice) => notice.includes("(ROOM_UPGRADED)")).length === 2
          ? true
          : undefined,
      );
      await expectNothingLeft(room);
    },
    TIMEOUT_MS,
  );
});

describe("an invite that is gone", () => {
  test(
    "taken back at once: nobody rings for long, and nothing is left",
    async () => {
      const room = await createRoom();
      await room.invite(scene.alice, ghost);
      await room.kick(scene.alice, ghost);
      await until("a call that has ended, or none at all", async () => {
        const calls = await scene.calls(room.roomId);
        return calls.every(({ state }) => state === "ended") ? true : undefined;
      });
      await scene.lab.phones[NUMBER].waitForClosed();
      await good.expectNothingLeft({ roomId: room.roomId, ghost, witness: scene.alice });
      expect(await membershipOfGhost(room)).toBe("leave");
    },
    TIMEOUT_MS,
  );
});

test("the call beside has not noticed anything", () => good.expectUnharmed(), TIMEOUT_MS);
