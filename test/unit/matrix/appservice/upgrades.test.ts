import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createConferences } from "../../../../src/dialin/conferences.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { roomId, userId } from "../../../../src/ids.ts";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import { createUpgrades } from "../../../../src/matrix/appservice/upgrades.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { type FakeHomeserver, startFakeHomeserver } from "../../../support/fake-homeserver.ts";
import { createTestLog } from "../../../support/log.ts";
import { createMemoryConferences } from "../../dialin/memory-conferences.ts";

const OLD = roomId("!old:example.org");
const NEW = roomId("!new:example.org");
const BOT = userId("@phone:example.org");

let fake: FakeHomeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

const event = (type: string, room: string, content: Record<string, unknown>, stateKey = ""): AppserviceEvent => ({
  type,
  eventId: "$e",
  roomId: room,
  sender: "@alice:example.org",
  stateKey,
  content,
  ageMs: 0,
});
const tombstone = event("m.room.tombstone", OLD, { replacement_room: NEW });
const botJoined = event("m.room.member", NEW, { membership: "join" }, BOT);

/** @param state what the homeserver shows the bot: `ROOM/TYPE` and the content */
const start = async (state: Readonly<Record<string, object>>, { canJoin = true } = {}) => {
  fake.answer("GET", /.*/, { status: 403, body: { errcode: "M_FORBIDDEN", error: "no" } });
  for (const [key, body] of Object.entries(state)) {
    const [room = "", type = ""] = key.split("/");
    fake.answer("GET", new RegExp(`/rooms/${room}/state/${type}/$`), { body });
  }
  const store = createMemoryConferences();
  const conferences = createConferences({ store, hasher: { hash: async () => "hash" } });
  const { conferenceId } = await conferences.turnOn(OLD);
  const followed: string[] = [];
  const joined: string[] = [];
  const handle = createUpgrades({
    homeserver: createHomeserver({ url: fake.url, asToken: "token" }),
    botUserId: BOT,
    membership: {
      join: async (_, room) => {
        joined.push(room);
        if (!canJoin) throw new GatewayError("HOMESERVER_REFUSED", "not invited");
      },
    },
    conferences,
    onFollowed: async (room, id) => void followed.push(`${room} ${id}`),
    log: createTestLog().log,
  });
  return { conferences, conferenceId, followed, joined, handle };
};

const BOTH = {
  [`${OLD}/m.room.tombstone`]: { replacement_room: NEW },
  [`${NEW}/m.room.create`]: { predecessor: { room_id: OLD } },
};

test("the bot goes along when a room is replaced, with number and PIN", async () => {
  const { conferences, conferenceId, followed, joined, handle } = await start(BOTH);
  await handle(tombstone);
  expect([joined, followed]).toEqual([[NEW], [`${NEW} ${conferenceId}`]]);
  expect(conferences.of(NEW)).toMatchObject({ conferenceId, pinHash: "hash" });
  expect(conferences.of(OLD)).toBeUndefined();
});

test("a bot that may not come takes them along when it is invited later", async () => {
  const world = await start(BOTH, { canJoin: false });
  await world.handle(tombstone);
  expect(world.conferences.of(OLD)).toBeDefined();
  await world.handle(botJoined);
  await world.handle(botJoined);
  expect(world.followed).toHaveLength(1);
  expect(world.conferences.of(NEW)).toBeDefined();
});

test.each([
  ["does not name the old one", { ...BOTH, [`${NEW}/m.room.create`]: {} }],
  ["names another one", { ...BOTH, [`${NEW}/m.room.create`]: { predecessor: { room_id: "!foreign:example.org" } } }],
  ["is not the one that the old one names", { ...BOTH, [`${OLD}/m.room.tombstone`]: { replacement_room: "!x:y" } }],
  ["cannot be seen", {}],
])("a new room that %s gets nobody's number", async (_, state) => {
  const { conferences, followed, handle } = await start(state);
  await handle(tombstone);
  await handle(botJoined);
  expect(followed).toEqual([]);
  expect(conferences.of(OLD)).toBeDefined();
});

test("other events, and tombstones of nonsense, ask nobody anything", async () => {
  const { joined, handle } = await start(BOTH);
  await handle(event("m.room.tombstone", OLD, { replacement_room: "nonsense" }));
  await handle(event("m.room.tombstone", OLD, { replacement_room: NEW }, "key"));
  await handle(event("m.room.member", NEW, { membership: "join" }, "@alice:example.org"));
  expect([joined, fake.seen]).toEqual([[], []]);
});
