import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { HEARD_DBFS, hears, OTHER_HZ, TONE_HZ } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import type { ClientKind, Published, SfuMember } from "../../support/media/sfu-member.ts";
import { type SfuRoom, startSfuRoom } from "../../support/media/sfu-room.ts";
import { startTalker } from "../../support/media/talker.ts";

jest.setTimeout(60_000);

const NOT_HEARD_DBFS = -60;

let room: SfuRoom;
beforeAll(async () => {
  room = await startSfuRoom();
});
afterEach(() => room.clear());
afterAll(async () => room[Symbol.asyncDispose]());

/** True when no frame comes for half a second. */
const isSilent = async (member: SfuMember, identity: string): Promise<boolean> => {
  const before = await member.heard(identity);
  await new Promise((resolve) => {
    setTimeout(resolve, 500);
  });
  return (await member.heard(identity)).count === before.count;
};
const trackOf = async (member: SfuMember, identity: string) =>
  (await member.tracks()).find((track) => track.identity === identity);

describe.each(["light", "native"] as const)("%s", (kind) => {
  test("presses keys and reports those of others, where it takes them, and is heard as ever", async () => {
    const alice = await room.member(kind, "alice", { encrypted: false, takesKeys: true });
    const bob = await room.member(kind, "bob", { encrypted: false });
    await using phone = { talker: startTalker(), [Symbol.asyncDispose]: () => phone.talker.close() };
    const { sfuUrl, token } = await room.address("phone");
    await phone.talker.join({ url: sfuUrl, token, identity: "phone", encrypted: false });
    await phone.talker.say(TONE_HZ);
    await Promise.all([hears(alice, "phone", TONE_HZ), hears(bob, "phone", TONE_HZ)]);
    for (const [code, digit] of [
      [5, "5"],
      [11, "#"],
    ] as const) {
      await phone.talker.press(code, digit);
    }
    await eventually(async () => (await alice.keys()).length === 2, "both keys");
    expect(await alice.keys()).toEqual(["phone 5", "phone #"]);
    await alice.say("alaw", OTHER_HZ);
    expect(await hears(bob, "alice", OTHER_HZ)).toBe(true);
    const carol = await room.member("native", "carol", { encrypted: false, takesKeys: true });
    for (const key of ["1", "*", "A"]) await alice.press("carol", key);
    await eventually(async () => (await carol.keys()).length === 3, "three keys");
    expect(await carol.keys()).toEqual(["alice 1", "alice *", "alice A"]);
    await alice.close();
    await expect(alice.press("carol", "1")).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  });
});

const PAIRS: readonly [publisher: ClientKind, subscriber: ClientKind][] = [
  ["light", "native"],
  ["native", "light"],
  ["light", "light"],
];

describe.each(PAIRS)("%s publishes, %s subscribes", (publisher, subscriber) => {
  const pair = async (encrypted: boolean, publishes: Published = "alaw"): Promise<[SfuMember, SfuMember]> => {
    const alice = await room.member(publisher, "alice", { encrypted, publishes });
    const bob = await room.member(subscriber, "bob", { encrypted });
    await alice.setKey("bob", 0, room.key("bob"));
    await bob.setKey("alice", 0, room.key("alice"));
    return [alice, bob];
  };

  test.each([
    ["alaw", "alaw"],
    ["ulaw", "ulaw"],
    ["opus", "opus"],
    ["slin", "opus"],
    ["ulaw", "alaw"],
    ["slin", "alaw"],
    ["opus", "ulaw"],
    ["alaw", "opus"],
  ] as const)("%s is heard in an encrypted room through a track of %s", async (codec, publishes) => {
    const [alice, bob] = await pair(true, publishes);
    await alice.say(codec, TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    expect(await trackOf(bob, "alice")).toMatchObject({ muted: false, undecryptable: false });
  });

  test("both hear each other in a room without encryption", async () => {
    const [alice, bob] = await pair(false);
    await alice.say("alaw", TONE_HZ);
    await bob.say("alaw", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    expect(await hears(alice, "bob", OTHER_HZ)).toBe(true);
  });

  test("keys rotate while it talks; a key that is missing shows, and the audio is back with it", async () => {
    const [alice, bob] = await pair(true);
    await alice.say("alaw", TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    await bob.setKey("alice", 1, room.key("alice", 1));
    const before = await bob.heard("alice");
    await alice.setKey("alice", 1, room.key("alice", 1));
    await eventually(async () => (await bob.heard("alice")).count > before.count + 50, "a second of audio");
    expect(await bob.level("alice", TONE_HZ, 500)).toBeGreaterThan(HEARD_DBFS);
    expect((await bob.heard("alice")).lost).toBe(before.lost);

    await alice.setKey("alice", 2, room.key("alice", 2));
    await eventually(async () => (await trackOf(bob, "alice"))?.undecryptable, "a track that cannot be decrypted");
    await bob.setKey("alice", 2, room.key("alice", 2));
    await eventually(async () => (await trackOf(bob, "alice"))?.undecryptable === false, "a track that can");
    expect(await hears(bob, "alice", TONE_HZ)).toBe(true);
  });

  test("mute shows, and stops the audio; after it the audio is back", async () => {
    const [alice, bob] = await pair(true);
    await alice.say("alaw", TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    await alice.setMuted(true);
    await eventually(async () => (await trackOf(bob, "alice"))?.muted, "a muted track");
    await eventually(
      async () => (await isSilent(bob, "alice")) || (await bob.level("alice", TONE_HZ, 200)) < NOT_HEARD_DBFS,
      "silence",
    );
    await alice.say("alaw", OTHER_HZ);
    await alice.setMuted(false);
    await hears(bob, "alice", OTHER_HZ);
    expect(await trackOf(bob, "alice")).toMatchObject({ muted: false });
  });

  test("listening can be switched off and on, and follows what is wanted", async () => {
    const [alice, bob] = await pair(true);
    await alice.say("alaw", TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    await bob.listen(false);
    await eventually(() => isSilent(bob, "alice"), "no frames");
    expect(await trackOf(bob, "alice")).toMatchObject({ identity: "alice" });
    await alice.say("alaw", OTHER_HZ);
    await bob.listen(true);
    await hears(bob, "alice", OTHER_HZ);
    await bob.want([]);
    expect(await bob.ended()).toEqual(["alice"]);
    expect(await bob.tracks()).toEqual([]);
    await eventually(() => isSilent(bob, "alice"), "no frames");
    await alice.say("alaw", TONE_HZ);
    await bob.want(["alice"]);
    expect(await hears(bob, "alice", TONE_HZ)).toBe(true);
  });

  test("many members come and go: each is heard", async () => {
    const listener = await room.member(subscriber, "listener");
    const names = ["one", "two", "three", "four"];
    const talk = async (name: string, frequencyHz: number): Promise<SfuMember> => {
      await listener.setKey(name, 0, room.key(name));
      const member = await room.member(publisher, name);
      await member.say("alaw", frequencyHz);
      return member;
    };
    const [one, two] = await Promise.all(names.map((name, i) => talk(name, 400 + 170 * i)));
    for (const [i, name] of names.entries()) await hears(listener, name, 400 + 170 * i);
    await Promise.all([one!.close(), two!.close()]);
    await eventually(async () => (await listener.tracks()).length === 2, "two tracks ended");
    await talk("five", 1130);
    await hears(listener, "five", 1130);
    for (const [i, name] of ["three", "four"].entries()) await hears(listener, name, 740 + 170 * i);
    expect([...(await listener.ended())].toSorted()).toEqual(["one", "two"]);
  });

  test("who leaves is gone, for the server and for the others", async () => {
    const [alice, bob] = await pair(true);
    await alice.say("alaw", TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    await alice.close();
    // rtc-node does not wait for the server.
    await eventually(async () => !(await room.present()).includes("alice"), "the server without alice");
    await eventually(async () => (await bob.ended()).includes("alice"), "the end of the track");
    expect([await alice.states(), await bob.states()]).toEqual([[], []]);
  });
});

test("one track of light carries all codecs, one after the other", async () => {
  const alice = await room.member("light", "alice");
  const bob = await room.member("native", "bob");
  const carol = await room.member("light", "carol");
  for (const member of [bob, carol]) await member.setKey("alice", 0, room.key("alice"));
  for (const [codec, frequencyHz] of [
    ["alaw", 500],
    ["slin", 700],
    ["ulaw", 900],
    ["opus", 1100],
    ["alaw", 1300],
  ] as const) {
    await alice.say(codec, frequencyHz);
    await hears(carol, "alice", frequencyHz);
    expect(await hears(bob, "alice", frequencyHz)).toBe(true);
  }
});
