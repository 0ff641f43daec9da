// Calls that do not come about, or are taken away: each ends with its own outcome, says so, and leaves nothing.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { allHear, memberEar, outsideEar, phoneEar } from "../support/e2e/audio.ts";
import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { endedWith } from "../support/e2e/metrics.ts";
import { displayNameOf, type RoomHand, roomHand } from "../support/e2e/rooms.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { addDeadTrunk, killPbx } from "../support/e2e/trunks.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 40_000;
const RING_TIMEOUT_S = 5;
/** Dialled through a trunk whose PBX is not there. */
const ABROAD = "+4930901820";
/** An extension of the plan that the PBX does not have. */
const NO_SUCH_DESK = "1003";
const DESK = "1001";

let scene: Scene;
let good: GoodCall;
let room: RoomHand;
/** In the call of `room`, which is plain, so that notices can be read. */
let alice: LabMemberProcess;

beforeAll(async () => {
  const trunk = { engine: "asterisk", caller_id: { default: "+33140506000" } };
  scene = await startScene({
    config: {
      calls: { ring_timeout: `${RING_TIMEOUT_S}s` },
      policy: {
        rules: [
          { tokens: ["lab"], classes: ["internal", "national", "international"] },
          { users: ["@alice:*", "@bob:*"], classes: ["internal", "national"] },
        ],
      },
      trunks: [
        { ...trunk, name: "dead", routes: [{ class: "international" }], asterisk: { endpoint: "dead" } },
        {
          ...trunk,
          name: "xivo",
          routes: [{ class: "internal" }, { class: "national" }],
          asterisk: { endpoint: "xivo" },
        },
      ],
    },
  });
  await addDeadTrunk(scene.lab, "dead");
  good = await startGoodCall(scene);
  room = roomHand(scene.lab, await scene.createRoom({ encrypted: false }), scene.alice);
  alice = await scene.join(scene.alice, room.roomId, TONES_HZ.alice);
}, 600_000);
afterEach(async () => {
  const desk = scene.lab.phones[DESK];
  if (desk.state === "idle") return;
  await desk.hangup();
  await desk.waitForClosed();
});
afterAll(async () => {
  await alice?.leave();
  await good?.stop();
  await scene?.stop();
}, 60_000);

/** It ended like this, was counted, and nothing of it is left. */
const expectEnded = async (call: ApiCall, outcome: string, countBefore: number): Promise<ApiCall> => {
  const ended = await until("the end of the call", async () => {
    const now = await scene.call(call.call_id);
    return now.state === "ended" ? now : undefined;
  });
  expect(ended).toMatchObject({ state: "ended", outcome });
  const left = { roomId: room.roomId, ghost: call.user_id, witness: scene.alice };
  await good.expectNothingLeft(left);
  await alice.waitForNoMember(call.user_id);
  expect(await endedWith(scene.lab, outcome)).toBe(countBefore + 1);
  return ended;
};

/** It has left, or, when all was over before it could come, never was there. */
const expectLeftRoom = async (call: ApiCall): Promise<void> => {
  let seen: string | undefined;
  await until(
    `${call.user_id} to be out of the room`,
    async () => {
      seen = (await room.state<{ membership: string }>("m.room.member", call.user_id))?.membership;
      return seen === undefined || seen === "leave" ? true : undefined;
    },
    { seen: () => seen },
  );
};

const noticesAbout = async (number: string): Promise<string[]> =>
  (await room.notices(scene.lab.gateway.botUserId)).filter((notice) =>
    notice.startsWith(`The call to ${number} ended`),
  );

describe("said by the PBX", () => {
  test.each([
    { number: OUTSIDE_NUMBERS.busy, outcome: "busy", sip: 486, words: "the line is busy." },
    { number: OUTSIDE_NUMBERS.declined, outcome: "declined", sip: 603, words: "the call was declined." },
    { number: OUTSIDE_NUMBERS.noAnswer, outcome: "no-answer", sip: null, words: "nobody answered." },
    { number: OUTSIDE_NUMBERS.earlyMedia, outcome: "no-answer", sip: null, words: "nobody answered." },
    { number: OUTSIDE_NUMBERS.unreachable, outcome: "invalid-number", sip: 404, words: "the number does not exist." },
    { number: OUTSIDE_NUMBERS.unavailable, outcome: "trunk-failed", sip: 503, words: "refused or could not be reach" },
    { number: NO_SUCH_DESK, outcome: "invalid-number", sip: 404, words: "the number does not exist." },
    { number: ABROAD, outcome: "trunk-failed", sip: null, words: "refused or could not be reached." },
  ])(
    "$number: $outcome",
    async ({ number, outcome, sip, words }) => {
      const before = await endedWith(scene.lab, outcome);
      const call = await scene.addByApi(room.roomId, number);
      const ended = await expectEnded(call, outcome, before);
      expect(ended.cause?.sip_status).toBe(sip);
      await expectLeftRoom(call);
      const formatted = await displayNameOf(scene.lab, call.user_id);
      const notices = await noticesAbout(formatted);
      expect(notices).toEqual([expect.stringContaining(words)]);
    },
    TIMEOUT_MS,
  );

  test(
    "a desk phone that does not want the call says busy",
    async () => {
      const before = await endedWith(scene.lab, "busy");
      const call = await scene.addByApi(room.roomId, DESK);
      await scene.lab.phones[DESK].waitForRinging();
      await scene.lab.phones[DESK].hangup();
      await expectEnded(call, "busy", before);
      expect(await noticesAbout(DESK)).toEqual([`The call to ${DESK} ended: the line is busy.`]);
    },
    TIMEOUT_MS,
  );
});

describe("taken back while it rings", () => {
  const ring = async (add: () => Promise<unknown>): Promise<ApiCall> => {
    await add();
    await scene.lab.phones[DESK].waitForRinging();
    await alice.waitForMember(scene.lab.gateway.ghost(DESK));
    return (await scene.calls(room.roomId))[0]!;
  };
  const ways = [
    {
      way: "DELETE of the API",
      add: () => scene.addByApi(room.roomId, DESK),
      takeBack: (call: ApiCall) => scene.lab.gateway.api("DELETE", `/api/v1/calls/${call.call_id}`),
      outcome: "cancelled",
    },
    {
      way: "!phone hangup",
      add: () => room.say(scene.alice, `!phone add ${DESK}`),
      takeBack: () => room.say(scene.alice, "!phone hangup"),
      outcome: "cancelled",
    },
    {
      way: "!phone hangup of a moderator",
      add: () => room.say(scene.bob, `!phone add ${DESK}`),
      takeBack: () => room.say(scene.alice, `!phone hangup ${DESK}`),
      outcome: "cancelled",
    },
    {
      way: "a kick of the ghost",
      add: () => room.invite(scene.alice, scene.lab.gateway.ghost(DESK)),
      takeBack: () => room.kick(scene.alice, scene.lab.gateway.ghost(DESK)),
      outcome: "removed",
    },
  ];

  test.each(ways)(
    "by $way: the phone stops ringing, and the room is not bothered",
    async ({ add, takeBack, outcome }) => {
      const before = await endedWith(scene.lab, outcome);
      const failures = await noticesAbout(DESK);
      const call = await ring(add);
      await takeBack(call);
      await scene.lab.phones[DESK].waitForClosed();
      await expectEnded(call, outcome, before);
      await expectLeftRoom(call);
      expect(await noticesAbout(DESK)).toEqual(failures);
    },
    TIMEOUT_MS,
  );

  test(
    "by a ban: the number cannot come back",
    async () => {
      const before = await endedWith(scene.lab, "removed");
      const number = OUTSIDE_NUMBERS.noAnswer;
      const call = await scene.addByApi(room.roomId, number);
      await alice.waitForMember(call.user_id);
      await room.ban(scene.alice, call.user_id);
      await expectEnded(call, "removed", before);
      const place = { roomId: room.roomId, ghost: call.user_id, witness: scene.alice };
      await scene.waitForRoomMembership(place, "ban");
      const failed = await endedWith(scene.lab, "room-unavailable");
      const again = await scene.addByApi(room.roomId, number);
      await expectEnded(again, "room-unavailable", failed);
      await scene.waitForRoomMembership(place, "ban");
    },
    TIMEOUT_MS,
  );
});

describe("taken away while they talk", () => {
  const talk = async (): Promise<ApiCall> => {
    const desk = scene.lab.phones[DESK];
    await room.say(scene.bob, `!phone add ${DESK}`);
    await desk.waitForRinging();
    await desk.answer();
    await allHear([
      [memberEar(alice, scene.lab.gateway.ghost(DESK)), desk.toneHz],
      [phoneEar(desk), TONES_HZ.alice],
    ]);
    return (await scene.calls(room.roomId))[0]!;
  };

  test(
    "!phone hangup is for who added it and for moderators",
    async () => {
      const { lab, carol } = scene;
      const call = await talk();
      await room.say(carol, `!phone hangup ${DESK}`);
      const notice = await room.waitForNotice(lab.gateway.botUserId, "(NOT_YOUR_CALL)");
      expect(notice).toContain("members who may kick");
      const byToken = await lab.gateway.api("DELETE", `/api/v1/calls/${call.call_id}`);
      expect(byToken).toMatchObject({ status: 403, body: { errcode: "NOT_YOUR_CALL" } });
      await allHear([[memberEar(alice, call.user_id), lab.phones[DESK].toneHz]]);

      const before = await endedWith(lab, "removed");
      await room.say(scene.alice, `!phone hangup ${DESK}`);
      await lab.phones[DESK].waitForClosed();
      await expectEnded(call, "removed", before);
      await expectLeftRoom(call);
    },
    TIMEOUT_MS,
  );

  test.each([
    { what: "kicked", act: (ghost: string) => room.kick(scene.alice, ghost), membership: "leave" },
    { what: "banned", act: (ghost: string) => room.ban(scene.alice, ghost), membership: "ban" },
  ])(
    "the ghost is $what: the phone is hung up",
    async ({ act, membership }) => {
      const before = await endedWith(scene.lab, "removed");
      const call = await talk();
      await act(call.user_id);
      await scene.lab.phones[DESK].waitForClosed();
      await expectEnded(call, "removed", before);
      await scene.waitForRoomMembership({ roomId: room.roomId, ghost: call.user_id, witness: scene.alice }, membership);
    },
    TIMEOUT_MS,
  );

  test(
    "the room is upgraded: the phone is hung up, and cannot be added there again",
    async () => {
      const { lab } = scene;
      const before = await endedWith(lab, "removed");
      const call = await scene.addByApi(room.roomId, OUTSIDE_NUMBERS.answersAtOnce);
      await allHear([
        [memberEar(alice, call.user_id), TONES_HZ.outside],
        [outsideEar(lab.pbx, call.number), TONES_HZ.alice],
      ]);
      const replacement = await scene.createRoom({ encrypted: false });
      await room.putState(scene.alice, "m.room.tombstone", "", { body: "upgraded", replacement_room: replacement });
      await expectEnded(call, "removed", before);
      await expectLeftRoom(call);
      const again = await lab.gateway.api("POST", "/api/v1/calls", { room_id: room.roomId, number: DESK });
      expect(again).toMatchObject({ status: 409, body: { errcode: "ROOM_UPGRADED" } });
      expect(again.body["error"]).toContain(replacement);
    },
    TIMEOUT_MS,
  );
});

test(
  "a desk phone that does not answer the PBX cannot be reached",
  async () => {
    const before = await endedWith(scene.lab, "unreachable");
    const other = roomHand(scene.lab, await scene.createRoom({ encrypted: false }), scene.alice);
    await other.joinCallSilently(scene.alice);
    await other.untilBotHasRead(scene.alice);
    const { pid } = scene.lab.process(`phone-${DESK}`);
    process.kill(pid, "SIGSTOP");
    try {
      await scene.addByApi(other.roomId, DESK);
      expect(await scene.waitForState(other.roomId, "ended")).toMatchObject({ outcome: "unreachable" });
      await other.waitForNotice(scene.lab.gateway.botUserId, `The call to ${DESK} ended: the phone cannot be reached.`);
      expect(await endedWith(scene.lab, "unreachable")).toBe(before + 1);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  },
  TIMEOUT_MS,
);

test("the call beside has not noticed anything", () => good.expectUnharmed(), TIMEOUT_MS);

test(
  "the PBX is stopped: the call ends as the trunk's failure, and the gateway takes the next request",
  async () => {
    const { lab } = scene;
    const before = await endedWith(lab, "trunk-failed");
    const other = roomHand(lab, await scene.createRoom({ encrypted: false }), scene.alice);
    await other.joinCallSilently(scene.alice);
    await other.untilBotHasRead(scene.alice);
    await killPbx(lab);
    for (const attempt of [1, 2]) {
      const call = await scene.addByApi(other.roomId, OUTSIDE_NUMBERS.answersAtOnce);
      const ended = await scene.waitForState(other.roomId, "ended");
      expect(ended).toMatchObject({ call_id: call.call_id, outcome: "trunk-failed" });
      const place = { roomId: other.roomId, ghost: call.user_id, witness: scene.alice };
      await good.expectNothingLeft(place);
      await scene.waitForRoomMembership(place, "leave");
      expect(await endedWith(lab, "trunk-failed")).toBe(before + attempt);
    }
    await other.waitForNotice(lab.gateway.botUserId, "refused or could not be reached.");
  },
  TIMEOUT_MS,
);
