// Chats of a number and a person: found, made, and forgotten when one of the two leaves.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ghostUserId, roomId, userId } from "../../../../src/ids.ts";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import type { PhoneChat } from "../../../../src/personal/chat.ts";
import { createChats } from "../../../../src/matrix/chats/chats.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { openStore, type Store } from "../../../../src/store/store.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../../support/fake-homeserver.ts";
import { createTestLog } from "../../../support/log.ts";

const BOB = userId("@bob:example.org");
const GHOST = ghostUserId("@tel_1001:example.org");
const CHAT: PhoneChat = { room: roomId("!chat:example.org"), ghost: GHOST, person: BOB };
const CALLER = { ghost: GHOST, name: "1001" };
const CREATE = "POST /_matrix/client/v3/createRoom";
const MEMBER = /\/state\/m\.room\.member\//;

let fake: FakeHomeserver;
let store: Store;
beforeEach(async () => {
  fake = await startFakeHomeserver();
  store = openStore({ path: ":memory:" });
  fake.answer("POST", /\/createRoom$/, { body: { room_id: "!new:example.org" } });
  fake.answer("GET", MEMBER, { body: { membership: "join" } });
});
afterEach(async () => {
  store.close();
  await fake[Symbol.asyncDispose]();
});

const make = () => {
  const devices: string[] = [];
  const left: string[] = [];
  const { log, lines } = createTestLog();
  const chats = createChats({
    homeserver: createHomeserver({ url: fake.url, asToken: "as" }),
    store: store.chats,
    devices: {
      warm: ({ room }) => void devices.push(`warm ${room}`),
      drop: (room) => void devices.push(`drop ${room}`),
    },
    membership: { leave: async (user, room) => void left.push(`${user} ${room}`) },
    ensureGhost: async () => undefined,
    log,
  });
  return { chats, devices, left, lines };
};

const member = (user: string, membership: string, sender = user): AppserviceEvent => ({
  type: "m.room.member",
  eventId: "$1",
  roomId: CHAT.room,
  sender,
  stateKey: user,
  content: { membership },
  ageMs: 0,
});

describe("between", () => {
  test("the chat that is there", async () => {
    const { chats } = make();
    chats.accepted(CHAT);
    expect(await chats.between(CALLER, BOB)).toEqual({ ...CHAT, isJoined: true });
    expect(await chats.joined(GHOST, BOB)).toEqual(CHAT);
    expect(fake.asked()).not.toContain(CREATE);
  });

  test("a new one where the person has left the old: direct, encrypted, and nobody else gets in", async () => {
    const { chats, devices } = make();
    chats.accepted(CHAT);
    let asked = 0;
    fake.answer("GET", MEMBER, () => ({ body: { membership: asked++ === 0 ? "leave" : "join" } }));
    const chat = await chats.between(CALLER, BOB);
    expect(chat).toEqual({ ...CHAT, room: "!new:example.org", isJoined: true });
    const request = await fake.next(CREATE);
    expect(request.query.get("user_id")).toBe(GHOST);
    expect(request.body).toMatchObject({
      is_direct: true,
      invite: [BOB],
      power_level_content_override: { invite: 100, events: { "org.matrix.msc3401.call.member": 0 } },
      initial_state: [{ type: "m.room.encryption" }],
    });
    expect(chats.of(CHAT.room)).toBeUndefined();
    expect(devices).toEqual([`warm ${CHAT.room}`, `drop ${CHAT.room}`, "warm !new:example.org"]);
    expect(chats.of(chat.room)).toEqual({ ...CHAT, room: "!new:example.org" });
  });

  test("two calls at once make one chat", async () => {
    const { chats } = make();
    const both = await Promise.all([chats.between(CALLER, BOB), chats.between(CALLER, BOB)]);
    expect(both[0]).toEqual(both[1]);
    expect(fake.asked().filter((line) => line === CREATE)).toHaveLength(1);
  });

  test("waits for the person to be in it, and says when they are not", async () => {
    fake.answer("GET", MEMBER, { body: { membership: "invite" } });
    const { chats, lines } = make();
    const joining = chats.between(CALLER, BOB);
    await fake.next("GET /_matrix/client/v3/rooms/!new:example.org/state/m.room.member/@bob:example.org");
    chats.onEvent({ ...member(BOB, "join"), roomId: "!new:example.org" });
    expect(await joining).toMatchObject({ isJoined: true });
    expect(lines).toEqual([]);
    store.chats.remove(roomId("!new:example.org"));
    expect(await chats.between(CALLER, BOB)).toMatchObject({ isJoined: false });
    // Not waited for again.
    expect(await chats.between(CALLER, BOB)).toMatchObject({ isJoined: false });
    expect(await chats.joined(GHOST, BOB)).toBeUndefined();
    expect(lines.map(({ message }) => message)).toEqual([expect.stringContaining("auto_accept_invites")]);
  });
});

test("the newest chats are read from the start, and one in which the person writes", () => {
  const { chats, devices } = make();
  for (let index = 0; index < 25; index += 1) store.chats.put({ ...CHAT, room: roomId(`!chat-${index}:example.org`) });
  chats.start();
  expect([devices.length, devices[0], devices.at(-1)]).toEqual([
    20,
    "warm !chat-5:example.org",
    "warm !chat-24:example.org",
  ]);
  const message = { ...member(BOB, ""), type: "m.room.message", roomId: "!chat-1:example.org" };
  chats.onEvent({ ...message, sender: GHOST });
  chats.onEvent(message);
  expect(devices.slice(20)).toEqual(["warm !chat-1:example.org"]);
});

test.each([
  [{ "@bob:example.org": { DEVICE: {} } }, true],
  [{ "@bob:example.org": {} }, false],
  [{}, false],
])("devices %j: can be rung %s", async (keys, expected) => {
  fake.answer("POST", /\/keys\/query$/, { body: { device_keys: keys } });
  expect(await make().chats.hasDevice(GHOST, BOB)).toBe(expected);
});

describe("a chat is over when", () => {
  test("the person leaves: the ghost leaves as well", () => {
    const { chats, left } = make();
    chats.accepted(CHAT);
    chats.onEvent(member(BOB, "leave"));
    expect(chats.of(CHAT.room)).toBeUndefined();
    expect(left).toEqual([`${GHOST} ${CHAT.room}`]);
  });

  test.each([
    ["the ghost is kicked", member(GHOST, "leave", BOB)],
    ["the room is upgraded", { ...member(BOB, ""), type: "m.room.tombstone", stateKey: "" }],
  ])("%s", (_what, event) => {
    const { chats, left } = make();
    chats.accepted(CHAT);
    chats.onEvent(event);
    expect(chats.of(CHAT.room)).toBeUndefined();
    expect(left).toEqual([]);
  });

  test.each([
    ["somebody else leaves", member("@carol:example.org", "leave")],
    ["the person joins", member(BOB, "join")],
    ["another room is upgraded", { ...member(BOB, ""), type: "m.room.tombstone", stateKey: "", roomId: "!other:x" }],
  ])("not when %s", (_what, event) => {
    const { chats } = make();
    chats.accepted(CHAT);
    chats.onEvent(event);
    expect(chats.of(CHAT.room)).toEqual(CHAT);
  });
});
