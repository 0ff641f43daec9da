import { expect, test } from "@jest/globals";
import { judgeMemberEvent, memberStateKey, plainIdentity } from "../../../../src/matrix/rtc/member-events.ts";

const ALICE = "@alice:lab";
const content = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  application: "m.call",
  call_id: "",
  device_id: "PHONE",
  focus_active: { type: "livekit", focus_selection: "multi_sfu" },
  ...changes,
});

test("identity and state key are written as Element Call does", () => {
  expect(plainIdentity(ALICE, "PHONE")).toBe("@alice:lab:PHONE");
  expect(memberStateKey(ALICE, "PHONE", "11")).toBe("_@alice:lab_PHONE_m.call");
  expect(memberStateKey(ALICE, "PHONE", "12")).toBe("_@alice:lab_PHONE_m.call");
  expect(memberStateKey(ALICE, "PHONE", "org.matrix.msc3757.11")).toBe("@alice:lab_PHONE_m.call");
});

test.each([
  ["_@alice:lab_PHONE_m.call"],
  ["@alice:lab_PHONE_m.call"],
  // Keys of older clients.
  ["_@alice:lab_PHONE"],
])("a membership under %s of its own sender is believed", (stateKey) => {
  expect(judgeMemberEvent({ sender: ALICE, stateKey, content: content() })).toBe("member");
});

test.each([
  ["of another user", "_@bob:lab_PHONE_m.call"],
  ["of another device", "_@alice:lab_LAPTOP_m.call"],
  ["of a user whose id starts alike", "_@alice:lab.evil_PHONE_m.call"],
  ["with more underscores", "__@alice:lab_PHONE_m.call"],
  ["without a user", "_PHONE_m.call"],
  ["that is empty", ""],
])("a membership under a key %s is foreign", (_what, stateKey) => {
  expect(judgeMemberEvent({ sender: ALICE, stateKey, content: content() })).toBe("foreign-sender");
});

test.each([
  ["application", 1],
  ["call_id", null],
  ["device_id", undefined],
  ["focus_active", "livekit"],
  ["focus_active", { type: 5 }],
  ["focus_active", null],
  ["expires", "soon"],
  ["expires", -1],
  ["expires", null],
  ["created_ts", "yesterday"],
  ["created_ts", {}],
])("a membership whose %s is %p is broken", (field, value) => {
  const broken = content({ [field]: value });
  expect(judgeMemberEvent({ sender: ALICE, stateKey: "_@alice:lab_PHONE_m.call", content: broken })).toBe("broken");
});

test("content that is no object is broken, not fatal", () => {
  for (const odd of [null, "x", 7, []] as unknown as Record<string, unknown>[]) {
    expect(judgeMemberEvent({ sender: ALICE, stateKey: "", content: odd })).toBe("broken");
  }
});

test("an empty membership, and the array of the oldest format, mean that nobody is there", () => {
  const stateKey = "_@alice:lab_PHONE_m.call";
  expect(judgeMemberEvent({ sender: ALICE, stateKey, content: {} })).toBe("left");
  expect(judgeMemberEvent({ sender: ALICE, stateKey, content: { memberships: [] } })).toBe("left");
});

test("an event without sender or key is broken", () => {
  expect(judgeMemberEvent({ sender: undefined, stateKey: "k", content: content() })).toBe("broken");
  expect(judgeMemberEvent({ sender: ALICE, stateKey: undefined, content: content() })).toBe("broken");
});
