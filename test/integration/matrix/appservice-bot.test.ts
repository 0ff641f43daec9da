import { afterAll, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { ClientEvent, type MatrixClient } from "matrix-js-sdk";
import { MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc/index.js";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { GatewayError } from "../../../src/errors.ts";
import { roomId, userId } from "../../../src/ids.ts";
import { listDevices } from "../../../src/matrix/devices.ts";
import { startAppserviceLab, type AppserviceLab } from "../../support/matrix/appservice-lab.ts";
import { startMember, type Member } from "../../support/matrix/member.ts";

// Real servers, on a machine that may be busy.
jest.setTimeout(60_000);

let world: AppserviceLab;
let alice: Member;
let aliceUser: LabUser;

beforeAll(async () => {
  world = await startAppserviceLab();
  aliceUser = await world.lab.homeserver.createUser("alice", { displayName: "Alice" });
  alice = await startMember(world.lab.homeserver.url, "http://127.0.0.1:1", aliceUser);
}, 600_000);

afterAll(async () => {
  await alice?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  world.calls.running = [];
});

/** Resolves at the first sync of this client after which the condition holds. */
const synced = (client: MatrixClient, condition: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!condition()) return;
      client.off(ClientEvent.Sync, look);
      resolve();
    };
    client.on(ClientEvent.Sync, look);
    look();
  });

/** The bot joins when it is invited. */
const inviteBot = async (room: string): Promise<void> => {
  await world.invite(room, world.botId, aliceUser);
  const joined = (client: MatrixClient) => () => client.getRoom(room)?.getMember(world.botId)?.membership === "join";
  await Promise.all([alice.client, world.appservice.bot.client].map((client) => synced(client, joined(client))));
};

const roomWithBot = async (encrypted: boolean): Promise<string> => {
  const room = await world.lab.homeserver.createRoom({ creator: aliceUser, encrypted, name: "Board" });
  await alice.room(room);
  await inviteBot(room);
  return room;
};

const ask = async (room: string, body: string): Promise<{ body: unknown; msgtype: unknown; encrypted: boolean }> => {
  const answer = alice.nextMessage(room, world.botId);
  await alice.client.sendTextMessage(room, body);
  return answer;
};

test("the bot has a name and a picture, and one device", async () => {
  const profile = await world.lab.homeserver.request(
    "GET",
    `/_matrix/client/v3/profile/${encodeURIComponent(world.botId)}`,
    {
      user: aliceUser,
    },
  );
  expect(profile).toEqual({ displayname: "Phone", avatar_url: expect.stringMatching(/^mxc:\/\//) });
  await expect(listDevices(world.homeserver, userId(world.botId))).resolves.toHaveLength(1);
});

test.each([
  ["an encrypted", true],
  ["a plain", false],
])("in %s room it answers !phone help in the room's way", async (_, encrypted) => {
  const room = await roomWithBot(encrypted);
  const answer = await ask(room, "!phone help");
  expect(answer).toMatchObject({ msgtype: "m.notice", encrypted });
  expect(answer.body).toMatch(/^!phone add NUMBER /);
});

test("an encrypted !phone add starts a call for its sender; list and hangup know it", async () => {
  const room = await roomWithBot(true);
  expect((await ask(room, "!phone add +33 1 40 50 60 70")).body).toBe("Calling +33 1 40 50 60 70 …");
  expect(world.calls.added.all.at(-1)).toEqual({
    roomId: room,
    number: "+33 1 40 50 60 70",
    subject: { kind: "user", userId: aliceUser.userId },
    via: "command",
  });
  expect((await ask(room, "!phone list")).body).toMatch(
    /^\+33 1 40 50 60 70 is ringing since \d\d:\d\d UTC \(\d+ s\)$/,
  );
  expect((await ask(room, "!phone hangup")).body).toBe("Hung up +33 1 40 50 60 70.");
  expect((await ask(room, "!phone hangup")).body).toBe("There is no phone in this room's call. (CALL_NOT_FOUND)");
});

test.each([
  ["an encrypted", true],
  ["a plain", false],
])("a message that could not be sent does not stop those after it in %s room", async (_, encrypted) => {
  const room = await roomWithBot(encrypted);
  const { bot } = world.appservice;
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.room.power_levels/`;
  const levels = await world.lab.homeserver.request("GET", path, { user: aliceUser });
  const setSendLevel = (level: number) =>
    world.lab.homeserver.request("PUT", path, { user: aliceUser, body: { ...levels, events_default: level } });
  await setSendLevel(50);
  await expect(bot.say(roomId(room), "Nobody hears me")).rejects.toMatchObject({ code: "HOMESERVER_REFUSED" });
  await setSendLevel(0);
  expect((await ask(room, "!phone list")).body).toBe("There is no phone in this room's call.");
});

test("its device is signed by its owner, so that clients do not warn about its notices", async () => {
  const room = await roomWithBot(true);
  await ask(room, "!phone help");
  const { bot } = world.appservice;
  const status = await alice.client
    .getCrypto()
    ?.getDeviceVerificationStatus(world.botId, bot.client.getDeviceId() ?? "");
  expect(status?.signedByOwner).toBe(true);
});

test("a refusal is answered with words and code", async () => {
  const room = await roomWithBot(false);
  const { answer } = world.calls;
  world.calls.answer = async () => {
    throw new GatewayError("NO_LIVE_CALL", "There is no call in this room.");
  };
  try {
    expect((await ask(room, "!phone add 1001")).body).toBe("There is no call in this room. (NO_LIVE_CALL)");
  } finally {
    world.calls.answer = answer;
  }
});

test("a command in clear in an encrypted room is not obeyed", async () => {
  const room = await roomWithBot(true);
  const before = world.calls.added.all.length;
  const answer = alice.nextMessage(room, world.botId);
  await world.lab.homeserver.request(
    "PUT",
    `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/1`,
    {
      body: { msgtype: "m.text", body: "!phone add 1001" },
      user: aliceUser,
    },
  );
  expect((await answer).body).toMatch(/only encrypted commands/);
  expect(world.calls.added.all).toHaveLength(before);
});

test("what was written before the bot came, notices, edits and other words are not commands", async () => {
  const room = await world.lab.homeserver.createRoom({ creator: aliceUser, encrypted: false, name: "Early" });
  await alice.room(room);
  const before = world.calls.added.all.length;
  const old = await alice.client.sendTextMessage(room, "!phone add 1001");
  await inviteBot(room);
  await alice.client.sendNotice(room, "!phone add 1002");
  await alice.client.sendTextMessage(room, "!phonebook add 1003");
  await alice.client.sendMessage(room, {
    msgtype: "m.text" as never,
    body: "!phone add 1004",
    "m.new_content": { msgtype: "m.text" as never, body: "!phone add 1004" },
    "m.relates_to": { rel_type: "m.replace" as never, event_id: old.event_id },
  });
  expect((await ask(room, "!phone nonsense")).body).toMatch(/^!phone add NUMBER/);
  expect(world.calls.added.all).toHaveLength(before);
});

test.each([
  ["state events", false],
  ["sticky events, encrypted", true],
])("the bot's view shows a call of %s in an encrypted room", async (_, sticky) => {
  const room = roomId(await roomWithBot(true));
  const { bot, rooms } = world.appservice;
  expect((await rooms.viewAsBot(room)).conference).toEqual([]);

  const session = bot.client.matrixRTC.getRoomSession(bot.client.getRoom(room)!);
  const seen = new Promise((resolve) => session.once(MatrixRTCSessionEvent.MembershipsChanged, resolve));
  await alice.join(room, { sticky });
  await seen;
  const view = await rooms.viewAsBot(room);
  expect(view).toMatchObject({ name: "Board", encrypted: true, botJoined: true, botCanInvite: true });
  expect(view.conference).toEqual([{ userId: aliceUser.userId, isPhone: false }]);
  expect(view.memberEventPower).toEqual({ needed: 0, ghost: 0 });
  expect([view.canKick(userId(aliceUser.userId)), view.canKick(userId(world.botId))]).toEqual([true, false]);
  await alice.leave();
});

test("a room without the bot has no view for the bot", async () => {
  const room = await world.lab.homeserver.createRoom({ creator: aliceUser, encrypted: false, name: "Alone" });
  await expect(world.appservice.rooms.viewAsBot(roomId(room))).rejects.toMatchObject({ code: "BOT_NOT_IN_ROOM" });
  await expect(world.appservice.rooms.viewAsBot(roomId("#alias:x"))).rejects.toMatchObject({ code: "ROOM_NOT_FOUND" });
});

test("in a room with the bot a call is seen without the ghost having to join", async () => {
  const room = roomId(await roomWithBot(true));
  const { bot, rooms } = world.appservice;
  const session = bot.client.matrixRTC.getRoomSession(bot.client.getRoom(room)!);
  const seen = new Promise((resolve) => session.once(MatrixRTCSessionEvent.MembershipsChanged, resolve));
  await alice.join(room);
  await seen;
  const ghost = world.ghost("+33140506090");
  await world.invite(room, ghost, aliceUser);
  const view = await rooms.viewAsGhost(room, ghost);
  expect(view.conference).toEqual([{ userId: aliceUser.userId, isPhone: false }]);
  expect((await world.memberOf(room, ghost, aliceUser)).membership).toBe("invite");
  await alice.leave();
});

test("a new start deletes the old device, obeys nothing old, and cannot read who joined before it", async () => {
  const room = roomId(await roomWithBot(true));
  await ask(room, "!phone add 1001");
  await alice.join(room, { sticky: true });
  await world.appservice.bot.stop();

  const restarted = await world.startAgain();
  try {
    const devices = await listDevices(world.homeserver, userId(world.botId));
    expect(devices).toEqual([restarted.appservice.bot.client.getDeviceId()]);
    const notice = alice.nextMessage(room, world.botId);
    await expect(restarted.appservice.rooms.viewAsBot(room)).rejects.toMatchObject({
      code: "NO_LIVE_CALL",
      message: expect.stringContaining("cannot be decrypted"),
    });
    expect((await notice).body).toMatch(/^Somebody in this call cannot be heard/);
    expect((await ask(room, "!phone help")).body).toMatch(/^!phone add NUMBER/);
    expect(restarted.calls.added.all).toEqual([]);
  } finally {
    await alice.leave();
    await restarted.appservice.bot.stop();
  }
});
