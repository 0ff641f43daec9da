import { expect, test } from "@jest/globals";
import { userId } from "../../../../src/ids.ts";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import { chatFactOf } from "../../../../src/matrix/chats/chat-facts.ts";

const ALICE = userId("@alice:example.org");
const KEY = `_${ALICE}_PHONE_m.call`;
const MEMBERSHIP = {
  application: "m.call",
  call_id: "",
  device_id: "PHONE",
  focus_active: { type: "livekit", focus_selection: "multi_sfu" },
};
const RING = { notification_type: "ring", "m.relates_to": { rel_type: "m.reference", event_id: "$joined" } };

const event = (
  type: string,
  content: Record<string, unknown>,
  more: Partial<AppserviceEvent> = {},
): AppserviceEvent => ({
  type,
  content,
  eventId: "$event",
  roomId: "!chat:example.org",
  sender: ALICE,
  ageMs: 30,
  ...more,
});
const member = (content: Record<string, unknown>, more: Partial<AppserviceEvent> = {}) =>
  event("org.matrix.msc3401.call.member", content, { stateKey: KEY, ...more });
const ring = (content: Record<string, unknown>, more: Partial<AppserviceEvent> = {}) =>
  event("org.matrix.msc4075.rtc.notification", content, more);

test.each([
  ["a join", member(MEMBERSHIP), { type: "joined", eventId: "$event", stateKey: KEY, isNew: true, ageMs: 30 }],
  ["a join written again", member({ ...MEMBERSHIP, created_ts: 1 }), { type: "joined", isNew: false }],
  ["a leave", member({}), { type: "left", stateKey: KEY }],
  ["a ring", ring(RING), { type: "rang", eventId: "$event", membershipEventId: "$joined" }],
  ["an encrypted ring", event("m.room.encrypted", { "m.relates_to": RING["m.relates_to"] }), { type: "rang" }],
])("%s", (_what, given, fact) => {
  expect(chatFactOf(given, { person: ALICE })).toMatchObject(fact);
});

test.each([
  ["somebody else's membership", member(MEMBERSHIP, { sender: "@mallory:example.org" })],
  ["a membership under another user's key", member(MEMBERSHIP, { stateKey: "_@bob:example.org_PHONE_m.call" })],
  ["a broken membership", member({ application: "m.call" })],
  ["a ring of somebody else", ring(RING, { sender: "@mallory:example.org" })],
  ["a notification that does not ring", ring({ ...RING, notification_type: "notification" })],
  ["a ring for nothing", ring({ notification_type: "ring" })],
  ["a ring with a broken relation", ring({ ...RING, "m.relates_to": "yes" })],
  ["a ring without an event", ring({ ...RING, "m.relates_to": { rel_type: "m.reference", event_id: 7 } })],
  ["a reaction", event("m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: "$joined", key: "x" } })],
  ["a message", event("m.room.message", { body: "hello" })],
])("%s says nothing", (_what, given) => {
  expect(chatFactOf(given, { person: ALICE })).toBeUndefined();
});
