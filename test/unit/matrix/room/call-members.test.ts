import { describe, expect, test } from "@jest/globals";
import {
  readCallMembers,
  stickyIdentity,
  type CallMembersContext,
  type MemberEvent,
} from "../../../../src/matrix/room/call-members.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const ALICE = "@alice:example.org";
const URL = "https://rtc.example.org/jwt";

const stateMember = (overrides: Partial<MemberEvent> = {}, content: Record<string, unknown> = {}): MemberEvent => ({
  type: "org.matrix.msc3401.call.member",
  eventId: "$state",
  sender: ALICE,
  stateKey: `_${ALICE}_PHONE1_m.call`,
  sentAtMs: NOW_MS - 1000,
  content: {
    application: "m.call",
    call_id: "",
    scope: "m.room",
    device_id: "PHONE1",
    expires: 4 * HOUR_MS,
    focus_active: { type: "livekit", focus_selection: "multi_sfu" },
    foci_preferred: [{ type: "livekit", livekit_service_url: URL, livekit_alias: "!r:example.org" }],
    ...content,
  },
  ...overrides,
});

const stickyMember = (overrides: Partial<MemberEvent> = {}, content: Record<string, unknown> = {}): MemberEvent => ({
  type: "org.matrix.msc4143.rtc.member",
  eventId: "$sticky",
  sender: ALICE,
  sentAtMs: NOW_MS - 1000,
  stickyUntilMs: NOW_MS + HOUR_MS,
  content: {
    slot_id: "m.call#ROOM",
    application: { type: "m.call", "m.call.intent": "audio" },
    transports: { published: [{ type: "livekit", livekit_service_url: URL }], can_subscribe: ["livekit"] },
    member: { user_id: ALICE, device_id: "PHONE1", id: "6f9d" },
    versions: [],
    msc4354_sticky_key: "6f9d",
    ...content,
  },
  ...overrides,
});

const context: CallMembersContext = { isJoined: (user) => user === ALICE, slot: undefined, nowMs: NOW_MS };
const whyNot = (event: MemberEvent, with_: Partial<CallMembersContext> = {}): string | undefined => {
  const { members, distrusted } = readCallMembers([event], { ...context, ...with_ });
  expect(members).toEqual([]);
  return distrusted[0]?.why;
};

test("reads a state event as js-sdk and Element Call write it", () => {
  expect(readCallMembers([stateMember()], context).members).toEqual([
    {
      userId: ALICE,
      deviceId: "PHONE1",
      memberId: `${ALICE}:PHONE1`,
      identity: `${ALICE}:PHONE1`,
      eventId: "$state",
      createdAtMs: NOW_MS - 1000,
      expiresAtMs: NOW_MS - 1000 + 4 * HOUR_MS,
      transportUrl: URL,
    },
  ]);
});

test("reads a sticky event; its identity is a hash", () => {
  expect(readCallMembers([stickyMember()], context).members).toEqual([
    {
      userId: ALICE,
      deviceId: "PHONE1",
      memberId: "6f9d",
      identity: stickyIdentity(ALICE, "PHONE1", "6f9d"),
      eventId: "$sticky",
      createdAtMs: NOW_MS - 1000,
      expiresAtMs: NOW_MS + HOUR_MS,
      transportUrl: URL,
    },
  ]);
});

test("hashes an identity as in the appendix of MSC4195", () => {
  expect(stickyIdentity("@alice:example.com", "DEVICE123", "memberABC")).toBe(
    "J+T45tGruxc+HrUOqJJlyQSV33m728Cme4+vt8/SWrU",
  );
});

describe("is not believed", () => {
  test.each([
    ["the key names somebody else", stateMember({ stateKey: "_@bob:example.org_PHONE1_m.call" }), "foreign-sender"],
    ["the key begins like the sender", stateMember({ stateKey: `_${ALICE}.evil_PHONE1_m.call` }), "foreign-sender"],
    ["the key names another device", stateMember({ stateKey: `_${ALICE}_OTHER_m.call` }), "foreign-sender"],
    ["member.user_id is somebody else", stickyMember({ sender: "@bob:example.org" }), "foreign-sender"],
    ["the device id is missing", stateMember({}, { device_id: 7 }), "broken"],
    ["focus_active is text", stateMember({}, { focus_active: "livekit" }), "broken"],
    ["foci_preferred is no list", stateMember({}, { foci_preferred: {} }), "broken"],
    ["transports are the old ones", stickyMember({}, { transports: undefined, rtc_transports: [] }), "broken"],
    ["it ran out", stateMember({ sentAtMs: NOW_MS - 5 * HOUR_MS }), "expired"],
    ["it ran out by created_ts", stateMember({}, { created_ts: NOW_MS - 5 * HOUR_MS }), "expired"],
    ["it is sticky no more", stickyMember({ stickyUntilMs: NOW_MS }), "expired"],
  ])("when %s", (_, event, why) => {
    expect(whyNot(event)).toBe(why);
  });

  test("when the sender is not in the room", () => {
    expect(whyNot(stateMember(), { isJoined: () => false })).toBe("not-joined");
  });
});

test.each([
  ["an empty state event", stateMember({ content: {} })],
  ["the memberships of years ago", stateMember({ content: { memberships: [] } })],
  ["a sticky leave", stickyMember({ content: { slot_id: "m.call#ROOM", msc4354_sticky_key: "6f9d" } })],
  ["another application", stateMember({}, { application: "m.whiteboard" })],
  ["a call beside the room's", stateMember({}, { call_id: "breakout" })],
  ["another slot", stickyMember({}, { slot_id: "m.call#OTHER" })],
])("%s is no membership and nothing to complain about", (_, event) => {
  expect(readCallMembers([event], context)).toEqual({ members: [], distrusted: [] });
});

test("a closed slot hides sticky members, not state events", () => {
  const { members } = readCallMembers([stateMember(), stickyMember()], {
    ...context,
    slot: { status: "closed", application: { type: "m.call" } },
  });
  expect(members.map((member) => member.eventId)).toEqual(["$state"]);
});

test("an open slot, as Element Call writes it, hides nobody", () => {
  const { members } = readCallMembers([stickyMember()], {
    ...context,
    slot: { status: "open", application: { type: "m.call" } },
  });
  expect(members).toHaveLength(1);
});

test("who writes both kinds counts once, but only for themselves", () => {
  const key = `_${ALICE}_PHONE1_m.call`;
  const both = [stateMember(), stickyMember({}, { msc4354_sticky_key: key })];
  expect(readCallMembers(both, context).members.map((member) => member.eventId)).toEqual(["$sticky"]);

  const bob = "@bob:example.org";
  const hiding = stickyMember(
    { sender: bob },
    { msc4354_sticky_key: key, member: { user_id: bob, device_id: "B", id: "b" } },
  );
  const { members } = readCallMembers([stateMember(), hiding], { ...context, isJoined: () => true });
  expect(members.map((member) => member.userId)).toEqual([ALICE, bob]);
});

test("members come oldest first", () => {
  const older = stateMember(
    { eventId: "$older", stateKey: `_${ALICE}_OLD_m.call` },
    { device_id: "OLD", created_ts: 1 },
  );
  const events = [stateMember(), { ...older, content: { ...older.content, expires: NOW_MS * 2 } }];
  expect(readCallMembers(events, context).members.map((member) => member.eventId)).toEqual(["$older", "$state"]);
});
