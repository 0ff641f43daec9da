import { DisconnectReason, LeaveRequest, LeaveRequest_Action, SignalResponse } from "@livekit/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { hears, OTHER_HZ, startTalk } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import type { SfuMember } from "../../support/media/sfu-member.ts";
import { type SfuRoom, startSfuRoom, startSignallingProxy } from "../../support/media/sfu-room.ts";
import { startSignallingRelay } from "../../../deploy/lab/network/signalling-relay.ts";

jest.setTimeout(60_000);

let room: SfuRoom;
beforeAll(async () => {
  room = await startSfuRoom();
});
afterEach(() => room.clear());
afterAll(async () => room[Symbol.asyncDispose]());

const words = async (member: SfuMember): Promise<string[]> =>
  (await member.states()).map((text) => text.split(":")[0]!);
const ends = (member: SfuMember): Promise<string> =>
  eventually(async () => (await member.states()).find((text) => text.startsWith("closed")), "the end", 20_000);

describe("the SFU says that it ends the connection", () => {
  const leave = (action: LeaveRequest_Action): Uint8Array =>
    new SignalResponse({
      message: { case: "leave", value: new LeaveRequest({ action, reason: DisconnectReason.SERVER_SHUTDOWN }) },
    }).toBinary();

  test("for good: closed, with its reason", async () => {
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl);
    const [alice] = await startTalk(room, "light", { sfuUrl: relay.url });
    relay.inject(leave(LeaveRequest_Action.DISCONNECT));
    expect(await ends(alice)).toContain("SERVER_SHUTDOWN");
    expect(await words(alice)).toEqual(["closed"]);
  });

  test.each([
    ["to be made anew", LeaveRequest_Action.RECONNECT],
    ["to be taken up again", LeaveRequest_Action.RESUME],
  ])("%s: joined again, and audio is back both ways", async (_name, action) => {
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl);
    const [alice, bob] = await startTalk(room, "light", { sfuUrl: relay.url });
    relay.inject(leave(action));
    await eventually(async () => (await words(alice)).includes("connected"), "the new connection", 10_000);
    await alice.say("alaw", 440);
    await hears(bob, "alice", 440);
    await hears(alice, "bob", OTHER_HZ);
    expect(await words(alice)).toEqual(["interrupted", "connected"]);
  });

  test("after the media connection is gone already: a phone that was removed does not come back", async () => {
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl, { delayMs: 200 });
    const [alice] = await startTalk(room, "light", { sfuUrl: relay.url });
    await room.kick("alice");
    expect(await ends(alice)).toContain("PARTICIPANT_REMOVED");
    expect(await words(alice)).toEqual(["interrupted", "closed"]);
    await eventually(async () => !(await room.present()).includes("alice"), "the server without alice");
  });

  test("after the media connection is gone already: a phone that was replaced does not fight its successor", async () => {
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl, { delayMs: 200 });
    const [alice, bob] = await startTalk(room, "light", { sfuUrl: relay.url });
    const successor = await room.member("light", "alice");
    await successor.say("alaw", 440);
    expect(await ends(alice)).toContain("DUPLICATE_IDENTITY");
    await hears(bob, "alice", 440);
    expect([await words(alice), await successor.states()]).toEqual([["interrupted", "closed"], []]);
  });
});

test("a token that has expired since the join: the WebSocket is taken up again with the one that the SFU has sent", async () => {
  await using proxy = await startSignallingProxy(room.lab.livekit.wsUrl);
  const expires = "54s ago";
  const [alice, bob] = await startTalk(room, "light", { sfuUrl: proxy.url, expires });
  const { httpUrl } = room.lab.livekit;
  const { token } = await room.address("alice", { expires });
  const isRefused = async (): Promise<boolean> =>
    (await fetch(`${httpUrl}/rtc/validate?access_token=${token}`)).status === 401;
  await eventually(isRefused, "the end of the token", 20_000);
  const sid = (await room.participants()).get("alice");
  const connections = proxy.connections();
  proxy.cut();
  await eventually(() => proxy.connections() > connections, "a new connection");
  await eventually(async () => {
    await alice.setMuted(true);
    return (await bob.tracks()).some(({ identity, muted }) => identity === "alice" && muted);
  }, "the mute");
  expect((await room.participants()).get("alice")).toBe(sid);
  expect(await alice.states()).toEqual([]);
});

describe("auto takes libwebrtc", () => {
  test("with an SFU that is too old for light", async () => {
    const hasPath = (path: string): boolean => !path.startsWith("/rtc/v1");
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl, { hasPath });
    const [alice] = await startTalk(room, "auto", { sfuUrl: relay.url });
    expect(await alice.states()).toEqual([expect.stringMatching(/^native: .* too old/)]);
  });

  // The last test: the SFU stays like this.
  test("with an SFU that offers no UDP", async () => {
    // Without Redis: in there is the killed one for another 5 s, and joins are routed to it.
    await room.restartServer({ redis: null, rtc: { force_tcp: true } });
    const [alice] = await startTalk(room, "auto", {}, "native");
    expect(await alice.states()).toEqual([expect.stringMatching(/^native: no UDP/)]);
  });
});
