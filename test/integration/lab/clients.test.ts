// The lab's own clients, before anything is judged by them: the real Element Call in Chromium and the member without a
// browser, in every kind of room and membership.
import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import { type ElementCallMode, startElementCallHost } from "../../../deploy/lab/element-call/host.ts";
import { joinElementCall, openElementCall } from "../../../deploy/lab/element-call/member.ts";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { spawnLabMember } from "../../../deploy/lab/member/process.ts";

const TIMEOUT_MS = 120_000;

let lab: Lab;
let alice: LabUser;
let bob: LabUser;
let carol: LabUser;

beforeAll(async () => {
  lab = await startLab({ parts: ["token-service"] });
  alice = await lab.homeserver.createUser("alice", { displayName: "Alice" });
  bob = await lab.homeserver.createUser("bob", { displayName: "Bob" });
  carol = await lab.homeserver.createUser("carol", { displayName: "Carol" });
}, 600_000);

afterAll(async () => {
  await lab.stop();
});

const createRoom = (encrypted: boolean): Promise<string> =>
  lab.homeserver.createRoom({ creator: alice, encrypted, name: "Call", invite: [bob, carol] });

interface StoredEvent {
  readonly type: string;
  readonly state_key?: string;
  readonly msc4354_sticky?: object;
}

/** The room's events as the homeserver has them, newest first. */
async function storedEvents(roomId: string): Promise<StoredEvent[]> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`;
  return (await lab.homeserver.request<{ chunk: StoredEvent[] }>("GET", path, { user: alice })).chunk;
}

test(
  "people in Element Call hear each other in an encrypted room, write, mute and leave",
  async () => {
    const roomId = await createRoom(true);
    await using host = await startElementCallHost({ homeserverUrl: lab.homeserver.url });
    const [atAlice, atBob] = await Promise.all([
      joinElementCall({ host, user: alice, roomId, microphoneToneHz: TONES_HZ.alice }),
      joinElementCall({ host, user: bob, roomId, microphoneToneHz: TONES_HZ.bob }),
    ]);

    const [fromBob, fromAlice] = await Promise.all([atAlice.hear(TONES_HZ.bob), atBob.hear(TONES_HZ.alice)]);
    expect(fromBob.levelDbfs).toBeGreaterThan(-25);
    expect(fromAlice.levelDbfs).toBeGreaterThan(-25);
    expect(await atAlice.waitForTile("Bob")).toMatchObject({ microphone: "on", status: "", unencrypted: false });

    await atAlice.sendMessage("!phone help");
    const message = await atBob.waitForMessage(({ sender }) => sender === alice.userId);
    expect(message).toMatchObject({ body: "!phone help", msgtype: "m.text", encrypted: true });
    const types = (await storedEvents(roomId)).map(({ type }) => type);
    expect(types).toContain("m.room.encrypted");
    expect(types).not.toContain("m.room.message");
    expect(types).not.toContain("org.matrix.msc4075.rtc.notification");

    await atBob.setMicrophoneMuted(true);
    await atAlice.waitForTile("Bob", { is: { microphone: "off" } });
    await expect(atAlice.hear(TONES_HZ.bob, { withinMs: 600 })).rejects.toThrow("no tone of 930 Hz");

    await atBob.leave();
    await atAlice.waitForNoTile("Bob");

    // The address that a person opens in a browser of their own: nothing drives it.
    const context = await (await host.browser()).newContext();
    const session = { user: carol.userId, password: carol.password, room: roomId } as const;
    const page = await context.newPage();
    await page.goto(host.sessionUrl({ ...session, intent: "join_existing_voice", driver: "person" }));
    await atAlice.waitForTile("Carol", { withinMs: 60_000, is: { microphone: "on", status: "" } });
    await context.close();
    await Promise.all([atAlice.close(), atBob.close()]);
  },
  TIMEOUT_MS,
);

const combinations: { mode: ElementCallMode; encrypted: boolean }[] = [
  { mode: "compatibility", encrypted: false },
  { mode: "compatibility", encrypted: true },
  { mode: "matrix_2_0", encrypted: false },
  { mode: "matrix_2_0", encrypted: true },
];

test.each(combinations)(
  "Element Call and the member without a browser hear each other ($mode, encrypted: $encrypted)",
  async ({ mode, encrypted }) => {
    const sticky = mode === "matrix_2_0";
    const roomId = await createRoom(encrypted);
    await using host = await startElementCallHost({ homeserverUrl: lab.homeserver.url, mode });
    // Both devices exist before the first membership: in an encrypted room a sticky one is unreadable for later devices.
    const [atAlice, atBob] = await Promise.all([
      openElementCall({ host, user: alice, roomId, microphoneToneHz: TONES_HZ.alice }),
      spawnLabMember({ homeserverUrl: lab.homeserver.url, user: bob, roomId, sticky, joinLater: true }),
    ]);
    await Promise.all([atAlice.join().then(() => atAlice.waitForJoined()), atBob.join()]);
    await atBob.publishTone(TONES_HZ.bob);

    const [fromBob, fromAlice] = await Promise.all([
      atAlice.hear(TONES_HZ.bob),
      atBob.hear(alice.userId, TONES_HZ.alice),
    ]);
    expect(fromBob.levelDbfs).toBeGreaterThan(-25);
    expect(fromAlice.levelDbfs).toBeGreaterThan(-25);
    expect(fromAlice.source === `${alice.userId}:${atAlice.deviceId}`).toBe(!sticky);
    expect(await atAlice.waitForTile("Bob")).toMatchObject({ microphone: "on", unencrypted: false });

    const events = await storedEvents(roomId);
    const stickyTypes = new Set(events.filter((event) => event.msc4354_sticky !== undefined).map(({ type }) => type));
    const stateMemberships = events.filter(({ type }) => type === "org.matrix.msc3401.call.member");
    const stickyType = encrypted ? "m.room.encrypted" : "org.matrix.msc4143.rtc.member";
    expect(stickyTypes).toEqual(new Set(sticky ? [stickyType] : []));
    expect(stateMemberships).toHaveLength(sticky ? 0 : 2);

    await atBob.leave();
    await atAlice.waitForNoTile("Bob");
    await atAlice.close();
  },
  TIMEOUT_MS,
);

test(
  "a burst is timed from the encoder of one member to the first frame at another",
  async () => {
    const roomId = await createRoom(true);
    const homeserverUrl = lab.homeserver.url;
    await using atAlice = await spawnLabMember({ homeserverUrl, user: alice, roomId });
    await using atBob = await spawnLabMember({ homeserverUrl, user: bob, roomId });
    // Keys and subscription are there once a steady tone is.
    await atAlice.publishTone(TONES_HZ.alice);
    await atBob.hear(alice.userId, TONES_HZ.alice);
    await atAlice.publishTone(0);

    const sinceMs = performance.timeOrigin + performance.now();
    const [heard, { sentAtMs }] = await Promise.all([
      atBob.hear(atAlice.identity, 1500, { sinceMs }),
      atAlice.publishBurst({ frequencyHz: 1500 }),
    ]);
    const delayMs = heard.firstFrameAtMs - sentAtMs;
    expect(delayMs).toBeGreaterThan(5);
    expect(delayMs).toBeLessThan(500);
    await expect(atBob.hear("any", TONES_HZ.bob, { withinMs: 300 })).rejects.toThrow("no tone of 930 Hz");
  },
  TIMEOUT_MS,
);
