import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { hears, OTHER_HZ, TONE_HZ } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import type { ClientKind, SfuMember } from "../../support/media/sfu-member.ts";
import { type SfuRoom, startSfuRoom, startSignallingProxy } from "../../support/media/sfu-room.ts";
import { startSignallingRelay } from "../../../deploy/lab/network/signalling-relay.ts";

jest.setTimeout(90_000);

const KINDS: readonly ClientKind[] = ["light", "native"];

let room: SfuRoom;
beforeAll(async () => {
  room = await startSfuRoom();
});
afterEach(() => room.clear());
afterAll(async () => room[Symbol.asyncDispose]());

const state = (member: SfuMember, word: string, timeoutMs = 5000): Promise<string> =>
  eventually(async () => (await member.states()).find((text) => text.startsWith(word)), `state ${word}`, timeoutMs);

test("native: an SFU that refuses the first attempts to connect is heard after a later one", async () => {
  let refusals = 2;
  await using relay = await startSignallingRelay(room.lab.livekit.wsUrl, { hasPath: () => --refusals < 0 });
  const bob = await room.member("light", "bob");
  await bob.say("alaw", OTHER_HZ);
  const alice = await room.member("native", "alice", { sfuUrl: relay.url });
  await alice.setKey("bob", 0, room.key("bob"));
  expect(await hears(alice, "bob", OTHER_HZ)).toBe(true);
  expect(refusals).toBeLessThan(0);
});

describe.each(KINDS)("%s", (kind) => {
  const listener = async (): Promise<SfuMember> => {
    const bob = await room.member("native", "bob");
    await bob.setKey("alice", 0, room.key("alice"));
    return bob;
  };

  test("a token that is refused, and an SFU that is not there, are errors that hold no token", async () => {
    const address = await room.address("alice");
    const wrong = [
      { ...address, token: `${address.token}x` },
      { ...address, sfuUrl: "ws://127.0.0.1:1" },
      { ...address, sfuUrl: "not an address" },
    ];
    for (const one of wrong) {
      const member = await room.guest(kind, one);
      const error: unknown = await member.connect().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "SFU_REFUSED" });
      expect(JSON.stringify(error)).not.toContain("eyJ");
      await member.close();
      expect(await member.states()).toEqual([]);
    }
  });

  test("kicked: closed for good, with the server's reason", async () => {
    const alice = await room.member(kind, "alice");
    await room.kick("alice");
    expect(await state(alice, "closed")).toContain("PARTICIPANT_REMOVED");
    // Whether the end of the media connection is seen before is chance.
    expect((await alice.states()).filter((text) => !text.startsWith("interrupted"))).toHaveLength(1);
    await alice.close();
  });

  test("the same identity joins again: the first one is closed, the second one is heard", async () => {
    const bob = await listener();
    const alice = await room.member(kind, "alice");
    await alice.say("alaw", TONE_HZ);
    await hears(bob, "alice", TONE_HZ);
    const again = await room.member(kind, "alice");
    await again.say("alaw", OTHER_HZ);
    expect(await state(alice, "closed")).toContain("DUPLICATE_IDENTITY");
    expect(await hears(bob, "alice", OTHER_HZ)).toBe(true);
  });

  test("a WebSocket that is cut is taken up again by the same participant, and signalling works over it", async () => {
    await using proxy = await startSignallingProxy(room.lab.livekit.wsUrl);
    const bob = await listener();
    const alice = await room.member(kind, "alice", { sfuUrl: proxy.url });
    await alice.setKey("bob", 0, room.key("bob"));
    await alice.say("alaw", TONE_HZ);
    await bob.say("alaw", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    await hears(alice, "bob", OTHER_HZ);
    const sid = (await room.participants()).get("alice");
    const connections = proxy.connections();
    proxy.cut();
    await eventually(() => proxy.connections() > connections, "a new connection");
    await hears(alice, "bob", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    await eventually(async () => {
      await alice.setMuted(true);
      return (await bob.tracks()).some(({ identity, muted }) => identity === "alice" && muted);
    }, "the mute");
    expect((await room.participants()).get("alice")).toBe(sid);
    // Native may report the interruption; light's audio is not touched by it.
    expect(await alice.states()).toHaveLength(kind === "light" ? 0 : 2);
  });

  test("the SFU is killed and started again: interrupted, then connected, and audio both ways", async () => {
    const alice = await room.member(kind, "alice");
    const bob = await room.member(kind, "bob");
    await alice.setKey("bob", 0, room.key("bob"));
    await bob.setKey("alice", 0, room.key("alice"));
    await alice.say("alaw", TONE_HZ);
    await bob.say("alaw", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    await room.restartServer();
    await state(alice, "connected", 25_000);
    await state(bob, "connected", 25_000);
    await hears(alice, "bob", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    expect((await alice.states()).map((text) => text.split(":")[0])).toEqual(["interrupted", "connected"]);
    expect(await alice.ended()).toEqual(["bob"]);
  });

  test("closed while it connects: the server keeps no participant, and connect rejects", async () => {
    const alice = await room.guest(kind, await room.address("alice"));
    const connecting = alice.connect().catch((thrown: unknown) => thrown);
    await alice.close();
    expect(await connecting).toMatchObject({ code: "MEDIA_FAILED" });
    // rtc-node does not wait for the server.
    const isGone = async (): Promise<boolean> => (await room.present()).length === 0;
    expect(await eventually(isGone, "no participant left behind")).toBe(true);
  });
});
