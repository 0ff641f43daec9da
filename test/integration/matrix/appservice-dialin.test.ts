import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { ClientEvent, type MatrixClient } from "matrix-js-sdk";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { DIALIN_EVENT } from "../../../src/matrix/appservice/dialin-commands.ts";
import { roomId } from "../../../src/ids.ts";
import { type AppserviceLab, DIALIN_NUMBER, startAppserviceLab } from "../../support/matrix/appservice-lab.ts";
import { type Member, startMember } from "../../support/matrix/member.ts";

// Real servers, on a machine that may be busy.
jest.setTimeout(60_000);

let world: AppserviceLab;
let alice: Member;
let bob: Member;
let aliceUser: LabUser;
let bobUser: LabUser;

beforeAll(async () => {
  world = await startAppserviceLab();
  aliceUser = await world.lab.homeserver.createUser("alice", { displayName: "Alice" });
  bobUser = await world.lab.homeserver.createUser("bob", { displayName: "Bob" });
  alice = await startMember(world.lab.homeserver.url, "http://127.0.0.1:1", aliceUser);
  bob = await startMember(world.lab.homeserver.url, "http://127.0.0.1:1", bobUser);
}, 600_000);

afterAll(async () => {
  await alice?.[Symbol.asyncDispose]();
  await bob?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

/** Resolves with what the condition finds, at the first sync of this client after which it finds something. */
const synced = <T>(client: MatrixClient, find: () => T | undefined): Promise<T> =>
  new Promise((resolve) => {
    const look = (): void => {
      const found = find();
      if (found === undefined) return;
      client.off(ClientEvent.Sync, look);
      resolve(found);
    };
    client.on(ClientEvent.Sync, look);
    look();
  });

const roomWithBot = async (encrypted: boolean): Promise<string> => {
  const room = await world.lab.homeserver.createRoom({ creator: aliceUser, encrypted, name: "Board" });
  await alice.room(room);
  await world.invite(room, world.botId, aliceUser);
  const isIn = (client: MatrixClient) => () =>
    client.getRoom(room)?.getMember(world.botId)?.membership === "join" ? true : undefined;
  await Promise.all([alice.client, world.appservice.bot.client].map((client) => synced(client, isIn(client))));
  return room;
};

const ask = async (room: string, body: string, who = alice): Promise<{ body: string; encrypted: boolean }> => {
  const answer = who.nextMessage(room, world.botId);
  await who.client.sendTextMessage(room, body);
  const { body: words, encrypted } = await answer;
  return { body: String(words), encrypted };
};

const pinIn = (text: string): string => /^PIN: ([\d ]+) #$/m.exec(text)?.[1]?.replaceAll(" ", "") ?? "";

const dialinState = async (room: string): Promise<unknown> =>
  world.lab.homeserver.request("GET", `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/${DIALIN_EVENT}/`, {
    user: aliceUser,
  });

const giveBotPower = async (room: string): Promise<void> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.room.power_levels/`;
  const levels = await world.lab.homeserver.request<{ users: object }>("GET", path, { user: aliceUser });
  const body = { ...levels, users: { ...levels.users, [world.botId]: 50 } };
  await world.lab.homeserver.request("PUT", path, { user: aliceUser, body });
};

test("in an encrypted room a moderator gets number and PIN, encrypted; state has the number only; off empties it", async () => {
  const room = await roomWithBot(true);
  await giveBotPower(room);
  const on = await ask(room, "!phone dialin on fr");
  expect(on.encrypted).toBe(true);
  expect(on.body).toContain(DIALIN_NUMBER);
  const pin = pinIn(on.body);
  expect(pin).toMatch(/^\d{8}$/);
  await expect(world.isPinOf(room, pin)).resolves.toBe(true);
  const id = /^Room number: ([\d ]+) #$/m.exec(on.body)?.[1]?.replaceAll(" ", "");
  await expect(dialinState(room)).resolves.toEqual({ numbers: [DIALIN_NUMBER], conference_id: id });

  const renewed = await ask(room, "!phone dialin new-pin");
  await expect(world.isPinOf(room, pinIn(renewed.body))).resolves.toBe(true);
  await expect(world.isPinOf(room, pin)).resolves.toBe(false);

  expect((await ask(room, "!phone dialin off")).body).toMatch(/^Phones cannot call this room any more/);
  await expect(dialinState(room)).resolves.toEqual({});
});

test("in a plain room the PIN comes in an encrypted chat, readable for who joins it later, and next time in the same one", async () => {
  const room = await roomWithBot(false);
  // The homeserver accepts invites to chats of two in the name of its users.
  const whispered = alice.nextMessage((id) => id !== room, world.botId);
  const on = await ask(room, "!phone dialin on");
  expect(on.encrypted).toBe(false);
  expect(on.body).toMatch(/sent the PIN to @alice:.* alone/);
  expect(on.body).toMatch(/may not write the state event/);
  expect(pinIn(on.body)).toBe("");

  const first = await whispered;
  const { roomId: chat } = first;
  expect(first).toMatchObject({ msgtype: "m.notice", encrypted: true });
  await expect(world.isPinOf(room, pinIn(String(first.body)))).resolves.toBe(true);
  const members = alice.client.getRoom(chat)?.getMembers();
  expect(members?.map(({ userId }) => userId).toSorted()).toEqual([aliceUser.userId, world.botId].toSorted());

  const again = alice.nextMessage(chat, world.botId);
  expect((await ask(room, "!phone dialin new-pin")).body).toMatch(/sent the PIN/);
  await expect(world.isPinOf(room, pinIn(String((await again).body)))).resolves.toBe(true);
});

test("who may not kick may not say how phones get in", async () => {
  const room = await roomWithBot(true);
  await world.invite(room, bobUser.userId, aliceUser);
  await bob.client.joinRoom(room);
  await bob.room(room);
  expect((await ask(room, "!phone dialin on", bob)).body).toMatch(/^Only moderators .* \(UNAUTHORIZED\)$/);
});

test("a room that is upgraded keeps its number and PIN, as soon as the bot is in the new one", async () => {
  const room = await roomWithBot(true);
  const { body } = await ask(room, "!phone dialin on");
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/upgrade`;
  const { replacement_room: next } = await world.lab.homeserver.request<{ replacement_room: string }>("POST", path, {
    user: aliceUser,
    body: { new_version: "12" },
  });
  await alice.room(next);
  const told = alice.nextMessage(next, world.botId);
  await world.invite(next, world.botId, aliceUser);
  await synced(world.appservice.bot.client, () =>
    world.appservice.rooms.newestOf(roomId(room)) === next ? true : undefined,
  );
  const { body: words, encrypted } = await told;
  expect(encrypted).toBe(true);
  expect(words).toMatch(/^Phones can call this room:\n[^]*Room number: [\d ]+ #\n.*the PIN is the same\.$/);
  expect(words).not.toMatch(/^PIN:/m);
  const again = await ask(next, "!phone dialin on");
  expect(again.body).toContain("The PIN stays as it is");
  await expect(world.isPinOf(next, pinIn(body))).resolves.toBe(true);
});
