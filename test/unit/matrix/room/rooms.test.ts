import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { ghostUserId, roomId, userId, type UserId } from "../../../../src/ids.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { createRooms } from "../../../../src/matrix/room/rooms.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../../support/fake-homeserver.ts";

const ROOM = roomId("!r:example.org");
const GHOST = ghostUserId("@tel_1001:example.org");
const BOT = "@phone:example.org";
const ALICE = "@alice:example.org";
const STATE = "GET /_matrix/client/v3/rooms/!r:example.org/state";
const SYNC = "GET /_matrix/client/v3/sync";

let fake: FakeHomeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

const event = (type: string, stateKey: string | undefined, content: object, more: object = {}): object => ({
  type,
  event_id: `$${type}`,
  sender: ALICE,
  content,
  origin_server_ts: Date.now(),
  ...(stateKey === undefined ? {} : { state_key: stateKey }),
  ...more,
});

const joined = event("m.room.member", ALICE, { membership: "join" });
const inCall = event("org.matrix.msc3401.call.member", `_${ALICE}_A_m.call`, {
  application: "m.call",
  call_id: "",
  device_id: "A",
  focus_active: { type: "livekit" },
});
const encryption = event("m.room.encryption", "", { algorithm: "m.megolm.v1.aes-sha2" });
const sticky = { msc4354_sticky: { duration_ms: 3_600_000 } };
const stickyInCall = event(
  "org.matrix.msc4143.rtc.member",
  undefined,
  {
    slot_id: "m.call#ROOM",
    application: { type: "m.call" },
    member: { user_id: ALICE, device_id: "A", id: "1" },
    transports: { published: [], can_subscribe: [] },
    versions: [],
    msc4354_sticky_key: "1",
  },
  sticky,
);

/** A room as the bot's /sync has it. */
const syncedRoom = (events: readonly object[]): Room => {
  const room = new Room(ROOM, new MatrixClient({ baseUrl: fake.url }), BOT);
  room.currentState.setStateEvents(events.map((each) => new MatrixEvent({ room_id: ROOM, ...each })));
  return room;
};

const make = ({ isSyncing = true, unreadable = [] as UserId[], room = undefined as Room | undefined } = {}) => {
  const reported: (readonly UserId[])[] = [];
  const joins: string[] = [];
  const rooms = createRooms({
    homeserver: createHomeserver({ url: fake.url, asToken: "as" }),
    botUserId: userId(BOT),
    isGhost: (user) => user.startsWith("@tel_"),
    bot: { isSyncing: () => isSyncing, room: () => room },
    unreadable: { in: () => unreadable },
    joinAsGhost: async (ghost, room) => void joins.push(`${ghost} ${room}`),
    onUnreadable: (_, users) => reported.push(users),
    nowMs: () => Date.now(),
  });
  return { rooms, reported, joins };
};

test("an invited ghost joins and reads the state", async () => {
  fake.answer("GET", /\/state$/, { body: [joined, inCall] });
  const { rooms, joins } = make();
  const view = await rooms.viewAsGhost(ROOM, GHOST);
  expect(view.conference).toEqual([{ userId: ALICE, isPhone: false }]);
  expect(joins).toEqual([`${GHOST} ${ROOM}`]);
  expect(fake.asked()).toEqual([STATE]);
  expect(fake.seen[0]?.query.get("user_id")).toBe(GHOST);
});

test.each(["timeline", "msc4354_sticky"])(
  "without state members the sticky ones are asked for, in %s",
  async (part) => {
    fake.answer("GET", /\/state$/, { body: [joined] });
    fake.answer("GET", /\/sync$/, { body: { rooms: { join: { [ROOM]: { [part]: { events: [stickyInCall] } } } } } });
    const view = await make().rooms.viewAsGhost(ROOM, GHOST);
    expect(view.conference).toEqual([{ userId: ALICE, isPhone: false }]);
    expect(fake.asked()).toEqual([STATE, SYNC]);
    expect(JSON.parse(fake.seen[1]?.query.get("filter") ?? "")).toMatchObject({ room: { rooms: [ROOM] } });
  },
);

test.each([{}, { rooms: {} }, { rooms: { join: { "!other:x": {} } } }])(
  "a sync without the room, %j, has no members",
  async (body) => {
    fake.answer("GET", /\/state$/, { body: [joined] });
    fake.answer("GET", /\/sync$/, { body });
    const { rooms, reported } = make();
    expect((await rooms.viewAsGhost(ROOM, GHOST)).conference).toEqual([]);
    expect(reported).toEqual([]);
  },
);

test("an encrypted sticky event says that somebody may be there, unless a call is seen anyway", async () => {
  const secret = event("m.room.encrypted", undefined, { algorithm: "m.megolm.v1.aes-sha2" }, sticky);
  fake.answer("GET", /\/sync$/, { body: { rooms: { join: { [ROOM]: { timeline: { events: [secret] } } } } } });
  fake.answer("GET", /\/state$/, { body: [joined, encryption] });
  const { rooms, reported } = make();
  await expect(rooms.viewAsGhost(ROOM, GHOST)).rejects.toMatchObject({ code: "NO_LIVE_CALL" });
  expect(reported).toEqual([[ALICE]]);

  fake.answer("GET", /\/state$/, { body: [joined, encryption, inCall] });
  await expect(rooms.viewAsGhost(ROOM, GHOST)).resolves.toMatchObject({ conference: [{ userId: ALICE }] });
});

test("a homeserver that refuses the state is an error", async () => {
  fake.answer("GET", /\/state$/, { status: 403, body: { errcode: "M_FORBIDDEN", error: "no" } });
  await expect(make().rooms.viewAsGhost(ROOM, GHOST)).rejects.toMatchObject({ code: "HOMESERVER_REFUSED" });
});

test("the bot's view says why there is none", async () => {
  await expect(make().rooms.viewAsBot(ROOM)).rejects.toMatchObject({
    code: "BOT_NOT_IN_ROOM",
    message: "The bot is not in this room: invite @phone:example.org first.",
  });
  await expect(make().rooms.viewAsBot(roomId("#alias:x"))).rejects.toMatchObject({ code: "ROOM_NOT_FOUND" });
  await expect(make({ isSyncing: false }).rooms.viewAsBot(ROOM)).rejects.toMatchObject({
    code: "HOMESERVER_UNAVAILABLE",
    retryable: true,
  });
  expect(fake.asked()).toEqual([]);
});

test("the bot's view of a call that runs costs no request", async () => {
  const { rooms } = make({ room: syncedRoom([joined, inCall]) });
  expect((await rooms.viewAsBot(ROOM)).conference).toEqual([{ userId: ALICE, isPhone: false }]);
  expect(fake.asked()).toEqual([]);
});

test("where the bot has seen no call yet, it asks whether one has just begun", async () => {
  fake.answer("GET", /\/state$/, { body: [joined, inCall] });
  const { rooms } = make({ room: syncedRoom([joined]) });
  expect((await rooms.viewAsBot(ROOM)).conference).toEqual([{ userId: ALICE, isPhone: false }]);
  expect(fake.asked()).toEqual([STATE]);
  expect(fake.seen[0]?.query.get("user_id")).toBe(BOT);

  fake.answer("GET", /\/state$/, { body: [joined] });
  expect((await rooms.viewAsBot(ROOM)).conference).toEqual([]);
});
