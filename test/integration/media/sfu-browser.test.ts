// Both SFU clients and livekit-client in Chromium, in the version that Element Call 0.26.1 has, in rooms of a real livekit-server.
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";

import { type BrowserMember, type BrowserMembers, startBrowserMembers } from "../../support/media/browser-member.ts";
import { hears } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import type { ClientKind, Published, SfuMember } from "../../support/media/sfu-member.ts";
import { type SfuRoom, startSfuRoom } from "../../support/media/sfu-room.ts";

jest.setTimeout(60_000);

const PHONE_HZ = 610;
const BROWSER_HZ = 930;
const LATER_HZ = 440;

let room: SfuRoom;
let browsers: BrowserMembers;
beforeAll(async () => {
  [room, browsers] = await Promise.all([startSfuRoom(), startBrowserMembers()]);
});
afterEach(async () => {
  await browsers.clear();
  await room.clear();
});
afterAll(async () => {
  await browsers[Symbol.asyncDispose]();
  await room[Symbol.asyncDispose]();
});

const pair = async (
  kind: ClientKind,
  encrypted: boolean,
  publishes: Published,
): Promise<[SfuMember, BrowserMember]> => {
  const phone = await room.member(kind, "phone", { encrypted, publishes });
  const alice = await browsers.member();
  for (const identity of encrypted ? ["phone", "alice"] : []) {
    await alice.setKey(identity, 0, room.key(identity));
    await phone.setKey(identity, 0, room.key(identity));
  }
  await phone.say(publishes, PHONE_HZ);
  await alice.join(await room.address("alice", { encrypted }), BROWSER_HZ);
  return [phone, alice];
};

test.each([
  ["light, an encrypted room, A-law", "light", true, "alaw"],
  ["light, an encrypted room, Opus", "light", true, "opus"],
  ["light, a plain room, µ-law", "light", false, "ulaw"],
  ["native, an encrypted room", "native", true, "opus"],
] as const)(
  "%s: both hear each other, the phone is seen to speak, and its mute shows",
  async (_name, kind, encrypted, codec) => {
    const [phone, alice] = await pair(kind, encrypted, codec);
    await hears(alice, "phone", PHONE_HZ);
    await hears(phone, "alice", BROWSER_HZ);
    await eventually(async () => (await alice.speakers()).includes("phone"), "the phone among the speakers");
    await phone.setMuted(true);
    await eventually(async () => (await alice.muted()).includes("phone"), "the phone's mute");
    await phone.setMuted(false);
    await phone.say(codec, LATER_HZ);
    expect(await hears(alice, "phone", LATER_HZ)).toBe(true);
  },
);

test("keys rotate in both directions while both talk", async () => {
  const [phone, alice] = await pair("light", true, "alaw");
  await hears(alice, "phone", PHONE_HZ);
  await hears(phone, "alice", BROWSER_HZ);
  for (const index of [1, 255]) {
    // As in a call: the others have it before it is used.
    await alice.setKey("phone", index, room.key("phone", index));
    await phone.setKey("alice", index, room.key("alice", index));
    await phone.setKey("phone", index, room.key("phone", index));
    await alice.setKey("alice", index, room.key("alice", index));
    await phone.say("alaw", PHONE_HZ + index);
    await alice.setTone(BROWSER_HZ + index);
    await hears(alice, "phone", PHONE_HZ + index);
    await hears(phone, "alice", BROWSER_HZ + index);
  }
  expect(await phone.tracks()).toEqual([expect.objectContaining({ identity: "alice", undecryptable: false })]);
});
