import { expect, test } from "@jest/globals";
import { ghostUserId, roomId, userId } from "../../../../src/ids.ts";
import { createDoor } from "../../../../src/matrix/appservice/door.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { roomStateFrom } from "../../../../src/matrix/room/room-state.ts";
import { startFakeHomeserver } from "../../../support/fake-homeserver.ts";

const ROOM = roomId("!r:example.org");
const BOT = userId("@phone:example.org");
const GHOST = ghostUserId("@tel_1001:example.org");

interface RoomAs {
  readonly joinRule?: string;
  /** Power to invite; the bot has 0. */
  readonly invite?: number;
  readonly membership?: string;
}

const stateOf = ({ joinRule = "knock", invite = 50, membership }: RoomAs) => {
  const event = (type: string, content: Record<string, unknown>, key = "") => ({
    type,
    event_id: `$${type}`,
    sender: "@alice:example.org",
    state_key: key,
    content,
    origin_server_ts: 0,
  });
  const events = [
    event("m.room.create", { room_version: "11" }),
    event("m.room.power_levels", { invite }),
    event("m.room.join_rules", { join_rule: joinRule }),
    ...(membership === undefined ? [] : [event("m.room.member", { membership }, GHOST)]),
  ];
  return roomStateFrom(events, [], 0);
};

const doorTo = (room: RoomAs | undefined, url = "http://127.0.0.1:1") => {
  const ensured: unknown[] = [];
  const said: string[] = [];
  const door = createDoor({
    homeserver: createHomeserver({ url, asToken: "token" }),
    botUserId: BOT,
    stateOf: () => (room === undefined ? undefined : stateOf(room)),
    users: { ensure: async (...user) => void ensured.push(user) },
    membership: { leave: async () => {} },
    say: async (_, text) => {
      said.push(text);
      return "$said";
    },
  });
  return { door, ensured, said };
};

test.each<[string, RoomAs | undefined, "open" | "knock" | "closed"]>([
  ["the bot may not invite and everybody may knock", {}, "knock"],
  ["members of other rooms may join, and others knock", { joinRule: "knock_restricted" }, "knock"],
  ["the bot may invite", { invite: 0 }, "open"],
  ["only invites let in, and the bot has none to give", { joinRule: "invite" }, "open"],
  ["everybody may join", { joinRule: "public" }, "open"],
  ["the ghost is invited", { membership: "invite" }, "open"],
  ["the ghost has left after an earlier call", { membership: "leave" }, "knock"],
  ["the ghost still looks joined", { membership: "join" }, "knock"],
  ["the ghost is banned", { membership: "ban" }, "closed"],
  ["the ghost is banned where the bot may invite", { membership: "ban", invite: 0 }, "closed"],
  ["the bot is not there", undefined, "open"],
])("%s", (_, room, way) => {
  expect(doorTo(room).door.wayInto(ROOM, GHOST)).toBe(way);
});

test("a knock is the ghost's own, which has its name by then; the announcement says how to answer it", async () => {
  await using fake = await startFakeHomeserver();
  const { door, ensured, said } = doorTo({}, fake.url);
  await door.knock(ROOM, GHOST, "1001");
  expect(ensured).toEqual([[GHOST, "1001"]]);
  expect(fake.asked()).toEqual([`POST /_matrix/client/v3/knock/${ROOM}`]);
  expect(fake.seen[0]?.query.get("user_id")).toBe(GHOST);
  await expect(door.announce(ROOM, { name: "1001", direction: "inbound" })).resolves.toBe("$said");
  expect(said).toEqual([expect.stringMatching(/^1001 asks to join .*!phone admit 1001.*!phone refuse 1001/)]);
});
