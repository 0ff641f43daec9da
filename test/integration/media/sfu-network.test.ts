import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";

import { type LossyRelay, startLossyRelay } from "../../../deploy/lab/network/lossy-relay.ts";
import { HEARD_DBFS, hears, OTHER_HZ, startTalk } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import type { SfuMember } from "../../support/media/sfu-member.ts";
import { type SfuRoom, startSfuRoom } from "../../support/media/sfu-room.ts";

jest.setTimeout(90_000);

let room: SfuRoom;
let relay: LossyRelay;
let alice: SfuMember;
let bob: SfuMember;
beforeAll(async () => {
  room = await startSfuRoom();
});
beforeEach(async () => {
  relay = await startLossyRelay(room.lab.livekit.wsUrl);
});
afterEach(async () => {
  await room.clear();
  await relay[Symbol.asyncDispose]();
});
afterAll(async () => room[Symbol.asyncDispose]());

describe("light through a bad network", () => {
  beforeEach(async () => {
    [alice, bob] = await startTalk(room, "light", { sfuUrl: relay.url });
  });

  test("5 % loss both ways: most packets that are missing are sent again in time, by us and by the SFU", async () => {
    relay.path.loss = 0.05;
    const before = { alice: await alice.heard("bob"), bob: await bob.heard("alice"), dropped: relay.dropped() };
    await eventually(async () => (await bob.heard("alice")).count > before.bob.count + 250, "five seconds", 8000);
    const dropped = relay.dropped() - before.dropped;
    const lostToAlice = (await alice.heard("bob")).lost - before.alice.lost;
    const lostToBob = (await bob.heard("alice")).lost - before.bob.lost;
    expect(dropped).toBeGreaterThan(20);
    // Measured: 9 of 28.
    expect(lostToAlice + lostToBob).toBeLessThan((2 / 3) * dropped);
    expect(await alice.states()).toEqual([]);
  });

  test("packets that overtake each other within 30 ms are put in order: hardly any is lost", async () => {
    relay.path.jitterMs = 30;
    const before = await alice.heard("bob");
    await eventually(async () => (await alice.heard("bob")).count > before.count + 250, "five seconds", 8000);
    const after = await alice.heard("bob");
    expect(after.lost - before.lost).toBeLessThan(5);
    expect(await alice.level("bob", OTHER_HZ, 200)).toBeGreaterThan(HEARD_DBFS);
  });

  test("five seconds without network: the connection comes back by itself, and is the same", async () => {
    const sid = (await room.participants()).get("alice");
    relay.path.loss = 1;
    await new Promise((resolve) => {
      setTimeout(resolve, 5000);
    });
    await alice.say("alaw", 440);
    relay.path.loss = 0;
    await hears(bob, "alice", 440, 5000);
    await hears(alice, "bob", OTHER_HZ, 5000);
    expect((await room.participants()).get("alice")).toBe(sid);
  });

  test("an outage after which the SFU gives up: closed soon, so that the call can join another way", async () => {
    relay.path.loss = 1;
    // livekit-server notices after 15 s, and from then on offers this participant TCP only: light cannot come back by itself.
    const closed = await eventually(
      async () => (await alice.states()).find((text) => text.startsWith("closed")),
      "the end",
      30_000,
    );
    expect(closed).toContain("CONNECTION_TIMEOUT");
    relay.path.loss = 0;
    await expect(alice.close()).resolves.toBeUndefined();
    const again = await room.member("native", "alice");
    await again.say("alaw", 440);
    expect(await hears(bob, "alice", 440)).toBe(true);
  });
});

test("an SFU to which no UDP leads is one for the native client", async () => {
  relay.path.loss = 1;
  alice = await room.guest("light", await room.address("alice", { sfuUrl: relay.url }));
  await expect(alice.connect()).rejects.toMatchObject({ code: "MEDIA_FAILED", causeName: "LightUnsuitable" });
  await eventually(async () => (await room.present()).length === 0, "no participant left behind");
  expect(await alice.states()).toEqual([]);
});
