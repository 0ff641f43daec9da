// Limits as they are shipped: calls of one person, calls of the gateway, attempts in a minute; and tokens without a rule.
import { randomBytes } from "node:crypto";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { type RoomHand, roomHand } from "../support/e2e/rooms.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 60_000;
/** Both ring until they are hung up. */
const RINGING = OUTSIDE_NUMBERS.noAnswer;
const ALSO_RINGING = OUTSIDE_NUMBERS.earlyMedia;
const NEVER_DIALLED = "+33140506079";
const crm = { name: "crm", token: randomBytes(24).toString("hex") };

let scene: Scene;
let good: GoodCall;
let room: RoomHand;
let bot: string;

beforeAll(async () => {
  scene = await startScene({
    apiTokens: [crm],
    config: {
      // The gateway's own limit is made small, to be reached with the calls that two people may have.
      limits: { calls_per_user: 2, calls: 4 },
      policy: { attempts_per_minute: 6 },
    },
  });
  // One of the calls of the token "lab".
  good = await startGoodCall(scene);
  const { lab, alice, bob } = scene;
  bot = lab.gateway.botUserId;
  room = roomHand(lab, await scene.createRoom({ encrypted: false }), alice);
  await room.joinCallSilently(alice);
  await room.joinCallSilently(bob);
  await room.untilBotHasRead(alice);
}, 600_000);
afterAll(async () => {
  await good?.stop();
  await scene?.stop();
}, 60_000);

const waitForRinging = (number: string): Promise<ApiCall> =>
  until(`${number} to ring`, async () =>
    (await scene.calls(room.roomId)).find((call) => call.number === number && call.state === "alerting"),
  );

const expectNotDialled = async (): Promise<void> => {
  expect((await scene.lab.pbx.calls()).map(({ number }) => number)).not.toContain(NEVER_DIALLED);
  expect((await scene.calls(room.roomId)).map(({ number }) => number)).not.toContain(NEVER_DIALLED);
};

const askAsToken = (number: string, token = scene.lab.gateway.apiToken) =>
  scene.lab.gateway.api(
    "POST",
    "/api/v1/calls",
    { room_id: room.roomId, number },
    { authorization: `Bearer ${token}` },
  );

test(
  "a token that no rule names may dial nothing",
  async () => {
    const answer = await askAsToken(NEVER_DIALLED, crm.token);
    expect(answer).toMatchObject({ status: 403, body: { errcode: "NUMBER_NOT_PERMITTED" } });
    await expectNotDialled();
  },
  TIMEOUT_MS,
);

test(
  "the third call of a person is refused by every way, and possible when one is over",
  async () => {
    const { lab, alice } = scene;
    await room.say(alice, `!phone add ${RINGING}`);
    await room.invite(alice, lab.gateway.ghost(ALSO_RINGING));
    await Promise.all([waitForRinging(RINGING), waitForRinging(ALSO_RINGING)]);

    await room.say(alice, `!phone add ${NEVER_DIALLED}`);
    const notice = await room.waitForNotice(bot, "(LIMIT_REACHED)");
    expect(notice).toBe("You have 2 calls running, the limit. Hang one up first. (LIMIT_REACHED)");

    const ghost = lab.gateway.ghost(NEVER_DIALLED);
    await room.invite(alice, ghost);
    await scene.waitForRoomMembership({ roomId: room.roomId, ghost, witness: alice }, "leave");
    const declined = await room.state<{ reason: string }>("m.room.member", ghost);
    expect(declined?.reason).toBe(notice);
    await expectNotDialled();

    // Of tokens as well: "lab" has the call beside this.
    expect(await askAsToken("1001")).toMatchObject({ status: 201 });
    expect(await askAsToken(NEVER_DIALLED)).toMatchObject({ status: 429, body: { errcode: "LIMIT_REACHED" } });
    await expectNotDialled();
  },
  TIMEOUT_MS,
);

test(
  "the gateway's own limit holds for everybody",
  async () => {
    const { bob } = scene;
    await room.say(bob, `!phone add ${NEVER_DIALLED}`);
    const notice = await room.waitForNotice(bot, "its limit");
    expect(notice).toBe("The gateway has 4 calls running, its limit. (LIMIT_REACHED)");
    await expectNotDialled();
  },
  TIMEOUT_MS,
);

test(
  "what was hung up makes room",
  async () => {
    const { alice } = scene;
    for (const number of [RINGING, ALSO_RINGING]) {
      const { call_id: id } = await waitForRinging(number);
      await room.say(alice, `!phone hangup ${number}`);
      await until(`${number} to be over`, async () => ((await scene.call(id)).state === "ended" ? true : undefined));
    }
    await room.say(alice, `!phone add ${RINGING}`);
    expect((await waitForRinging(RINGING)).state).toBe("alerting");
    await room.say(alice, `!phone hangup ${RINGING}`);
  },
  TIMEOUT_MS,
);

test(
  "the seventh attempt within a minute is refused, allowed numbers or not, and other people may go on",
  async () => {
    const { bob, lab } = scene;
    const before = (await room.notices(bot)).length;
    // One attempt was made above.
    for (let attempt = 2; attempt <= 6; attempt += 1) await room.say(bob, "!phone add 3631");
    await room.say(bob, `!phone add ${NEVER_DIALLED}`);
    const refusals = await until("six answers", async () => {
      const notices = (await room.notices(bot)).slice(before);
      const refused = notices.filter((notice) => /\((NUMBER_NOT_PERMITTED|LIMIT_REACHED)\)$/.test(notice));
      return refused.length === 6 ? refused : undefined;
    });
    expect(refusals.slice(0, 5)).toEqual(Array(5).fill(expect.stringContaining("(NUMBER_NOT_PERMITTED)")));
    expect(refusals[5]).toMatch(/^Too many calls within a minute\. Try again in \d+ s\. \(LIMIT_REACHED\)$/);
    await expectNotDialled();
    // Not the token's fault: it is told what it asked for.
    expect(await askAsToken("1002", crm.token)).toMatchObject({ body: { errcode: "NUMBER_NOT_PERMITTED" } });
    expect(lab.phones["1001"].state).toBe("ringing");
  },
  TIMEOUT_MS,
);

test(
  "nothing is left of any call, and the call beside has not noticed anything",
  async () => {
    const { lab, alice } = scene;
    const { call_id: id } = await waitForRinging("1001");
    expect(await lab.gateway.api("DELETE", `/api/v1/calls/${id}`)).toMatchObject({ status: 200 });
    for (const number of [RINGING, ALSO_RINGING, "1001"]) {
      await good.expectNothingLeft({ roomId: room.roomId, ghost: lab.gateway.ghost(number), witness: alice });
    }
    await good.expectUnharmed();
  },
  TIMEOUT_MS,
);
