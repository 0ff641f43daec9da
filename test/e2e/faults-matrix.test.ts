// The token service and the homeserver fail, before and during calls.
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { allHear, memberEar, phoneEar } from "../support/e2e/audio.ts";
import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { callMemberships } from "../support/e2e/leftovers.ts";
import { endedWith } from "../support/e2e/metrics.ts";
import { type RoomHand, roomHand, userExists } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { type Asked, sfuToken, type TokenAnswer, whileTokenServiceIs } from "../support/e2e/token-service.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 60_000;
const DESK = "1001";
const OUTSIDE = OUTSIDE_NUMBERS.answersAtOnce;
/** Longer than a membership outlives its client: 18 s. */
const LONG_OUTAGE_MS = 20_000;

let scene: Scene;
let good: GoodCall;
let room: RoomHand;
let alice: LabMemberProcess;
let ghost: string;
let bot: string;

beforeAll(async () => {
  scene = await startScene();
  good = await startGoodCall(scene);
  const { lab } = scene;
  ghost = lab.gateway.ghost(DESK);
  bot = lab.gateway.botUserId;
  room = roomHand(lab, await scene.createRoom({ encrypted: false }), scene.alice);
  alice = await scene.join(scene.alice, room.roomId, TONES_HZ.alice);
}, 600_000);
afterAll(async () => {
  await alice?.leave();
  await good?.stop();
  await scene?.stop();
}, 60_000);

const expectBothHear = (): Promise<void> => {
  const desk = scene.lab.phones[DESK];
  return allHear([
    [memberEar(alice, ghost), desk.toneHz],
    [phoneEar(desk), TONES_HZ.alice],
  ]);
};

/** The desk phone is called; the call ends with the outcome, says why, and leaves nothing. */
const expectFailedCall = async (outcome: string, words: string): Promise<void> => {
  const { lab } = scene;
  const before = await endedWith(lab, outcome);
  const call = await scene.addByApi(room.roomId, DESK);
  const ended = await scene.waitForState(room.roomId, "ended", 15_000);
  expect(ended).toMatchObject({ call_id: call.call_id, outcome });
  expect(ended.cause?.text).toContain(words);
  expect(await room.waitForNotice(bot, words)).toContain(`The call to ${DESK} ended: `);
  expect(await endedWith(lab, outcome)).toBe(before + 1);
  await lab.phones[DESK].waitForClosed();
  await good.expectNothingLeft({ roomId: room.roomId, ghost, witness: scene.alice });
};

describe("the token service", () => {
  const json = (status: number, body: Record<string, unknown>): TokenAnswer => ({ status, body: JSON.stringify(body) });

  test(
    "is stopped",
    () =>
      whileTokenServiceIs(scene.lab, "stopped", async () => {
        await expectFailedCall(
          "room-unavailable",
          `The token service at ${scene.lab.tokenService.url} does not answer`,
        );
      }),
    TIMEOUT_MS,
  );

  const refusals: readonly {
    readonly what: string;
    readonly outcome: string;
    readonly words: string;
    readonly answer: (asked: Asked) => Promise<TokenAnswer>;
  }[] = [
    {
      what: "refuses",
      outcome: "room-unavailable",
      words: "answered 403 M_FORBIDDEN Not for telephones",
      answer: async () => json(403, { errcode: "M_FORBIDDEN", error: "Not for telephones" }),
    },
    {
      what: "is a proxy without a service behind it",
      outcome: "room-unavailable",
      words: "answered 502",
      answer: async () => ({ status: 502, body: "<html>Bad Gateway</html>" }),
    },
    {
      what: "answers with something else",
      outcome: "room-unavailable",
      words: "answered without url and jwt",
      answer: async () => ({ status: 200, body: "<html>Welcome</html>" }),
    },
    {
      what: "gives the token of somebody else",
      outcome: "room-unavailable",
      words: "for another LiveKit identity than user:device",
      answer: async (asked) => {
        const jwt = await sfuToken(scene.lab, { ...asked, identity: `${scene.bob.userId}:X` });
        return json(200, { url: scene.lab.livekit.wsUrl, jwt });
      },
    },
    {
      what: "gives a token that the SFU refuses",
      outcome: "media-failed",
      words: "refused the connection",
      answer: async (asked) => {
        const jwt = await sfuToken(scene.lab, asked, "not-the-secret-not-the-secret-not-the-secret");
        return json(200, { url: scene.lab.livekit.wsUrl, jwt });
      },
    },
    {
      what: "names an SFU that does not exist",
      outcome: "media-failed",
      words: "the SFU at 127.0.0.1:9 refused the connection",
      answer: async (asked) => json(200, { url: "ws://127.0.0.1:9", jwt: await sfuToken(scene.lab, asked) }),
    },
  ];

  test.each(refusals)(
    "$what: $outcome",
    ({ outcome, words, answer }) =>
      whileTokenServiceIs(scene.lab, { ghost, answer }, () => expectFailedCall(outcome, words)),
    TIMEOUT_MS,
  );

  test(
    "is back: the same number can be added",
    async () => {
      scene.lab.phones[DESK].answerMode = "auto";
      await scene.addByApi(room.roomId, DESK);
      await scene.waitForState(room.roomId, "active");
      await expectBothHear();
      await good.expectUnharmed();
    },
    TIMEOUT_MS,
  );
});

describe("the homeserver is restarted during calls", () => {
  const memberships = (): Promise<string[]> => callMemberships(scene.lab, room.roomId, scene.alice);

  test(
    "after more than the 18 s for which memberships hold: calls go on, and the phone is a member again",
    async () => {
      const { lab } = scene;
      const [running] = await scene.calls(room.roomId);
      const other = await scene.addByApi(room.roomId, OUTSIDE);
      await alice.hear(other.user_id, TONES_HZ.outside);

      await lab.process("synapse").stop();
      const stoppedAtMs = performance.now();
      // One phone is hung up, and one is added, while nobody can be told.
      expect(await lab.gateway.api("DELETE", `/api/v1/calls/${other.call_id}`)).toMatchObject({ status: 200 });
      await until("the phone to be hung up", async () =>
        (await lab.pbx.cli("core show channels concise")).includes(OUTSIDE) ? undefined : true,
      );
      const added = await scene.addByApi(room.roomId, "+33140506078");
      const failed = await scene.waitForState(room.roomId, "ended");
      expect(failed).toMatchObject({ call_id: added.call_id, outcome: "room-unavailable" });
      expect(failed.cause?.text).toBe(`The homeserver at ${lab.homeserver.url} does not answer`);
      await delay(LONG_OUTAGE_MS - (performance.now() - stoppedAtMs));
      await expectBothHear();
      await good.expectUnharmed();

      await lab.process("synapse").startAgain();
      await until(
        "the phone to be a member",
        async () => ((await memberships()).some((key) => key.includes(ghost)) ? true : undefined),
        { withinMs: 30_000 },
      );
      await alice.waitForMember(ghost, 30_000);
      await expectBothHear();
      expect(await scene.call(running!.call_id)).toMatchObject({ state: "active", outcome: null });
      await good.expectUnharmed();

      // What could not be told is told now.
      const place = { roomId: room.roomId, ghost: other.user_id, witness: scene.alice };
      await until(
        "the other phone to be gone",
        async () => ((await memberships()).some((key) => key.includes(other.user_id)) ? undefined : true),
        { withinMs: 40_000 },
      );
      await scene.waitForRoomMembership(place, "leave", 40_000);
      // Its device goes after that.
      await good.expectNothingLeft(place, 5000);
      expect(await userExists(lab, added.user_id)).toBe(false);
    },
    2 * TIMEOUT_MS,
  );

  test(
    "commands and the API work again",
    async () => {
      await room.say(scene.alice, "!phone list");
      await room.waitForNotice(bot, `${DESK} is in the call`);
      const call = await scene.addByApi(room.roomId, OUTSIDE);
      await alice.hear(call.user_id, TONES_HZ.outside);
      await room.say(scene.alice, `!phone hangup ${OUTSIDE}`);
      await alice.waitForNoMember(call.user_id);
      expect(await scene.call(call.call_id)).toMatchObject({ outcome: "removed" });

      await scene.lab.phones[DESK].hangup();
      await alice.waitForNoMember(ghost);
      for (const left of [ghost, call.user_id]) {
        await good.expectNothingLeft({ roomId: room.roomId, ghost: left, witness: scene.alice });
      }
    },
    TIMEOUT_MS,
  );
});

test("the call beside has not noticed anything", () => good.expectUnharmed(), TIMEOUT_MS);
