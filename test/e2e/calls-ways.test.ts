// Every way to put a phone into a live call, on the real stack: who may, what is dialled, what is heard, and what is left.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import { OUTSIDE_NUMBER, OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { allHear, memberEar, outsideEar, phoneEar } from "../support/e2e/audio.ts";
import { roomMembership } from "../support/e2e/leftovers.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";

const TIMEOUT_MS = 90_000;
const ENCRYPTION_NOTICE = "leaves the end-to-end encryption";

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
}, 600_000);
afterEach(() => scene.reset());
afterAll(() => scene?.stop());

/** Calls that the PBX has seen to a number. */
const dialled = async (number: string): Promise<number> =>
  (await scene.lab.pbx.calls()).filter((call) => call.number === number).length;

/** Messages that a user has written into a room, encrypted ones included. */
const messagesBy = async (roomId: string, userId: string): Promise<number> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=200`;
  const { chunk } = await scene.lab.homeserver.request<{ chunk: { type: string; sender: string }[] }>("GET", path, {
    user: scene.alice,
  });
  return chunk.filter(
    ({ type, sender }) => sender === userId && (type === "m.room.message" || type === "m.room.encrypted"),
  ).length;
};

const encryptions = [{ encrypted: false }, { encrypted: true }];

test.each(encryptions)(
  "an invited ghost is a phone in the call, and nothing of it is left 2 s after it hung up (encrypted: $encrypted)",
  async ({ encrypted }) => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    const before = await dialled("1001");

    await atAlice.invite(ghost);
    await phone.waitForRinging();
    // The tile waits for media while the phone rings.
    await atAlice.waitForMember(ghost);
    await phone.answer();
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    expect(await scene.calls(roomId)).toMatchObject([
      { state: "active", number: "1001", user_id: ghost, added_by: { type: "user", user_id: alice.userId } },
    ]);

    // Invited again, and added again by every other way: it is in the call already.
    await expect(atAlice.invite(ghost)).rejects.toThrow("already in the room");
    await atAlice.sendMessage("!phone add 1001");
    await atAlice.waitForMessage("(ALREADY_IN_CALL)", lab.gateway.botUserId);
    const refused = await lab.gateway.api("POST", "/api/v1/calls", { room_id: roomId, number: "1001" });
    expect(refused).toMatchObject({ status: 409, body: { errcode: "ALREADY_IN_CALL" } });
    expect(await dialled("1001")).toBe(before + 1);

    const hungUpAtMs = performance.now();
    await phone.hangup();
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs);
    await atAlice.waitForNoMember(ghost);
    await scene.waitForRoomMembership({ roomId, ghost, witness: bob }, "leave");
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
  },
  TIMEOUT_MS,
);

test(
  "a ghost invited twice while it is being called is dialled once",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await using atBob = await scene.join(bob, roomId, TONES_HZ.bob);
    const before = await dialled("1001");

    const invites = await Promise.allSettled([atAlice.invite(ghost), atBob.invite(ghost)]);
    expect(invites.some(({ status }) => status === "fulfilled")).toBe(true);
    await phone.waitForRinging();
    await atBob.sendMessage("!phone add 1001");
    await atBob.waitForMessage("(ALREADY_IN_CALL)", lab.gateway.botUserId);
    await phone.answer();
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [memberEar(atBob, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
    expect(await dialled("1001")).toBe(before + 1);
    expect(await scene.calls(roomId)).toHaveLength(1);
  },
  TIMEOUT_MS,
);

test.each(encryptions)(
  "!phone add calls a number as people write it, list names it, hangup ends it (encrypted: $encrypted)",
  async ({ encrypted }) => {
    const { lab, alice, bob } = scene;
    const { botUserId } = lab.gateway;
    const ghost = lab.gateway.ghost(OUTSIDE_NUMBER);
    const roomId = await scene.createRoom({ encrypted });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);

    await atAlice.sendMessage("!phone help");
    await atAlice.waitForMessage("!phone hangup [NUMBER]", botUserId);
    await atAlice.sendMessage("!phone list");
    await atAlice.waitForMessage("There is no phone in this room's call.", botUserId);

    await atAlice.sendMessage("!phone add 01 40 50 60 70");
    await atAlice.waitForMessage("Calling +33 1 40 50 60 70", botUserId);
    await allHear([
      [memberEar(atAlice, ghost), TONES_HZ.outside],
      [outsideEar(lab.pbx, OUTSIDE_NUMBER), TONES_HZ.alice],
    ]);
    await atAlice.sendMessage("!phone list");
    await atAlice.waitForMessage("+33 1 40 50 60 70 is in the call since", botUserId);

    const hungUpAtMs = performance.now();
    await atAlice.sendMessage("!phone hangup");
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs);
    await atAlice.waitForMessage("Hung up +33 1 40 50 60 70.", botUserId);
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
  },
  TIMEOUT_MS,
);

test(
  "!phone hangup is for who added the phone and for moderators, nobody else",
  async () => {
    const { lab, alice, bob, carol } = scene;
    const { botUserId } = lab.gateway;
    const phone = lab.phones["1001"];
    phone.answerMode = "auto";
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await using atBob = await scene.join(bob, roomId, TONES_HZ.bob);
    await using atCarol = await scene.join(carol, roomId, 0);

    await atBob.sendMessage("!phone add 1001");
    await scene.waitForState(roomId, "active");
    await atCarol.sendMessage("!phone hangup 1001");
    await atCarol.waitForMessage("(NOT_YOUR_CALL)", botUserId);
    expect(await scene.calls(roomId)).toMatchObject([{ state: "active" }]);
    await atBob.sendMessage("!phone hangup 1001");
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "completed" });
    await phone.waitForClosed();

    // Alice made the room: she may kick, so she may hang up what bob added.
    await atBob.sendMessage("!phone add 1001");
    await scene.waitForState(roomId, "active");
    await atAlice.sendMessage("!phone hangup");
    expect(await scene.waitForState(roomId, "ended")).toMatchObject({ outcome: "removed" });
    await phone.waitForClosed();
  },
  TIMEOUT_MS,
);

test(
  "the API adds a phone once per Idempotency-Key, tells how it is, and hangs it up",
  async () => {
    const { lab, alice, bob } = scene;
    const number = OUTSIDE_NUMBERS.ringsOneSecond;
    const ghost = lab.gateway.ghost(number);
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    const before = await dialled(number);

    const key = { "idempotency-key": "order-4711" };
    const [first, second] = await Promise.all([
      scene.addByApi(roomId, number, key),
      scene.addByApi(roomId, number, key),
    ]);
    expect(second.call_id).toBe(first.call_id);
    expect(first).toMatchObject({ room_id: roomId, user_id: ghost, number, added_by: { type: "token", name: "lab" } });
    await allHear([
      [memberEar(atAlice, ghost), TONES_HZ.outside],
      [outsideEar(lab.pbx, number), TONES_HZ.alice],
    ]);
    const repeated = await scene.addByApi(roomId, number, key);
    expect(repeated).toMatchObject({ call_id: first.call_id, state: "active" });
    expect(await dialled(number)).toBe(before + 1);
    const otherBody = await lab.gateway.api("POST", "/api/v1/calls", { room_id: roomId, number: "1001" }, key);
    expect(otherBody).toMatchObject({ status: 422, body: { errcode: "IDEMPOTENCY_KEY_REUSED" } });

    const hungUpAtMs = performance.now();
    const { status } = await lab.gateway.api("DELETE", `/api/v1/calls/${first.call_id}`);
    expect(status).toBe(200);
    await scene.expectNothingLeft({ roomId, ghost, witness: bob }, hungUpAtMs);
    await scene.waitForRoomMembership({ roomId, ghost, witness: bob }, "leave");
    await scene.waitForState(roomId, "ended");
    expect(await scene.call(first.call_id)).toMatchObject({ state: "ended", outcome: "completed" });
  },
  TIMEOUT_MS,
);

test(
  "two phones hear the member and each other, the member hears both, and the room is told once that encryption ends",
  async () => {
    const { lab, alice } = scene;
    const [one, two] = [lab.phones["1001"], lab.phones["1002"]];
    const [ghostOne, ghostTwo] = [lab.gateway.ghost("1001"), lab.gateway.ghost("1002")];
    one.answerMode = "auto";
    two.answerMode = "auto";
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);

    await Promise.all([atAlice.invite(ghostOne), atAlice.invite(ghostTwo)]);
    await allHear([
      [memberEar(atAlice, ghostOne), one.toneHz],
      [memberEar(atAlice, ghostTwo), two.toneHz],
      [phoneEar(one), TONES_HZ.alice],
      [phoneEar(one), two.toneHz],
      [phoneEar(two), TONES_HZ.alice],
      [phoneEar(two), one.toneHz],
    ]);
    await atAlice.waitForMessage(ENCRYPTION_NOTICE, lab.gateway.botUserId);

    // The phone that listened for both goes: the other one must not lose the conference.
    await one.hangup();
    await atAlice.waitForNoMember(ghostOne);
    await allHear([
      [memberEar(atAlice, ghostTwo), two.toneHz],
      [phoneEar(two), TONES_HZ.alice],
    ]);
    // And comes back: still no second notice.
    await atAlice.invite(ghostOne);
    await allHear([
      [memberEar(atAlice, ghostOne), one.toneHz],
      [phoneEar(one), two.toneHz],
    ]);
    expect(await messagesBy(roomId, lab.gateway.botUserId)).toBe(1);
  },
  TIMEOUT_MS,
);

test(
  "a plain room is not told about encryption",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    phone.answerMode = "auto";
    const roomId = await scene.createRoom({ encrypted: false });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await atAlice.invite(lab.gateway.ghost("1001"));
    await allHear([[phoneEar(phone), TONES_HZ.alice]]);
    await scene.waitForState(roomId, "active");
    expect(await messagesBy(roomId, lab.gateway.botUserId)).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "an invite to a direct chat is accepted and kept, and nobody is called",
  async () => {
    const { lab, alice } = scene;
    const ghost = lab.gateway.ghost("1002");
    const before = await dialled("1002");
    const { room_id: roomId } = await lab.homeserver.request<{ room_id: string }>(
      "POST",
      "/_matrix/client/v3/createRoom",
      { user: alice, body: { preset: "trusted_private_chat", is_direct: true, invite: [ghost] } },
    );
    await scene.waitForRoomMembership({ roomId, ghost, witness: alice }, "join");

    // A later event of the same homeserver has been dealt with, so the invite has been as well.
    const other = await scene.createRoom({ encrypted: false });
    expect(await roomMembership(lab, other, lab.gateway.botUserId, alice)).toBe("join");
    expect(await scene.calls(roomId)).toEqual([]);
    expect(await dialled("1002")).toBe(before);
    expect(await roomMembership(lab, roomId, ghost, alice)).toBe("join");
  },
  TIMEOUT_MS,
);
