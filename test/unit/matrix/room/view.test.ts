import { expect, test } from "@jest/globals";
import { roomId, userId } from "../../../../src/ids.ts";
import { parseRawEvents, roomStateFrom, stickyUntilMs, type RawEvent } from "../../../../src/matrix/room/room-state.ts";
import { viewOf } from "../../../../src/matrix/room/view.ts";

const NOW_MS = 1_800_000_000_000;
const ALICE = "@alice:example.org";
const BOT = userId("@phone:example.org");
const GHOST = "@tel_+33140506070:example.org";

const state = (type: string, stateKey: string, content: object, sender = ALICE): RawEvent => ({
  type,
  event_id: `$${type} ${stateKey}`,
  sender,
  state_key: stateKey,
  content: content as Record<string, unknown>,
  origin_server_ts: NOW_MS - 1000,
});

const joined = (user: string): RawEvent => state("m.room.member", user, { membership: "join" }, user);

const memberOf = (user: string, device: string): RawEvent =>
  state(
    "org.matrix.msc3401.call.member",
    `_${user}_${device}_m.call`,
    { application: "m.call", call_id: "", device_id: device, focus_active: { type: "livekit" } },
    user,
  );

const view = (events: readonly RawEvent[], sticky: readonly RawEvent[] = []) =>
  viewOf(roomStateFrom(events, sticky, NOW_MS), {
    roomId: roomId("!r:example.org"),
    botUserId: BOT,
    ghost: GHOST,
    isGhost: (user) => user.startsWith("@tel_"),
    nowMs: NOW_MS,
  });

const base = [
  state("m.room.create", "", { room_version: "11" }),
  state("m.room.power_levels", "", {
    users: { [ALICE]: 100 },
    events: { "org.matrix.msc3401.call.member": 10 },
    invite: 50,
  }),
  joined(ALICE),
];

test("a room with a person and a phone in its call", () => {
  const seen = view([...base, joined(GHOST), memberOf(ALICE, "A"), memberOf(GHOST, "G"), memberOf("@gone:x", "X")]);
  expect(seen.conference).toEqual([
    { userId: ALICE, isPhone: false },
    { userId: GHOST, isPhone: true },
  ]);
  expect(seen).toMatchObject({ encrypted: false, botJoined: false, botCanInvite: false });
  expect(seen.memberEventPower).toEqual({ needed: 10, ghost: 0 });
  expect([seen.canKick(userId(ALICE)), seen.canKick(BOT), seen.canKick(userId("@gone:x"))]).toEqual([
    true,
    false,
    false,
  ]);
});

test("name, encryption, tombstone and the bot's powers", () => {
  const seen = view([
    ...base.filter((event) => event.type !== "m.room.power_levels"),
    state("m.room.power_levels", "", { users: { [BOT]: 50 }, invite: 50 }),
    joined(BOT),
    state("m.room.name", "", { name: "Board" }),
    state("m.room.encryption", "", { algorithm: "m.megolm.v1.aes-sha2" }),
    state("m.room.tombstone", "", { replacement_room: "!new:example.org" }),
  ]);
  expect(seen).toMatchObject({
    name: "Board",
    encrypted: true,
    replacedBy: "!new:example.org",
    botJoined: true,
    botCanInvite: true,
    memberEventPower: { needed: 50, ghost: 0 },
  });
});

test("a sticky member in a plain room is in the call until its time is over", () => {
  const sticky: RawEvent = {
    type: "org.matrix.msc4143.rtc.member",
    event_id: "$s",
    sender: ALICE,
    origin_server_ts: NOW_MS - 1000,
    content: {
      slot_id: "m.call#ROOM",
      application: { type: "m.call" },
      member: { user_id: ALICE, device_id: "A", id: "1" },
      transports: { published: [], can_subscribe: [] },
      versions: [],
      msc4354_sticky_key: "1",
    },
    msc4354_sticky: { duration_ms: 3_600_000 },
    unsigned: { msc4354_sticky_duration_ttl_ms: 60_000 },
  };
  expect(view(base, [sticky]).conference).toEqual([{ userId: ALICE, isPhone: false }]);
  expect(stickyUntilMs(sticky, NOW_MS)).toBe(NOW_MS + 60_000);
  expect(stickyUntilMs({ ...sticky, unsigned: undefined }, NOW_MS)).toBe(NOW_MS - 1000 + 3_600_000);
  expect(view(base, [{ ...sticky, unsigned: { msc4354_sticky_duration_ttl_ms: 0 } }]).conference).toEqual([]);
});

test("broken events do not hide the others", () => {
  expect(parseRawEvents([null, { type: "x" }, { ...joined(ALICE), content: [] }, joined(BOT)])).toEqual([joined(BOT)]);
  expect(parseRawEvents({ errcode: "M_UNKNOWN" })).toEqual([]);
});
