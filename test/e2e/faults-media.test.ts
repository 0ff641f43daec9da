// The SFU, the way to the gateway's Asterisk, and that Asterisk itself fail during calls.
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import { type BreakableWay, createBreakableWay } from "../integration/sip/asterisk-proxy.ts";
import { allHear, memberEar, phoneEar } from "../support/e2e/audio.ts";
import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { endedWith, metric } from "../support/e2e/metrics.ts";
import { leftOf } from "../support/e2e/leftovers.ts";
import { type RoomHand, roomHand } from "../support/e2e/rooms.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 90_000;
const DESK = "1001";
const OUTSIDE = OUTSIDE_NUMBERS.answersAtOnce;

let scene: Scene;
/** Between the gateway and its Asterisk: ARI and audio. */
let way: BreakableWay;
let good: GoodCall;
let room: RoomHand;
let alice: LabMemberProcess;
let ghost: string;
let call: ApiCall;

beforeAll(async () => {
  let asteriskPort: number | undefined;
  way = await createBreakableWay(() => asteriskPort);
  scene = await startScene({ config: { asterisk: { url: `http://127.0.0.1:${way.port}/ari` } } });
  const { lab } = scene;
  asteriskPort = lab.ports.trunkPeerHttp;
  await untilConnected();
  good = await startGoodCall(scene);
  ghost = lab.gateway.ghost(DESK);
  room = roomHand(lab, await scene.createRoom({ encrypted: false }), scene.alice);
  alice = await scene.join(scene.alice, room.roomId, TONES_HZ.alice);
  lab.phones[DESK].answerMode = "auto";
  await scene.addByApi(room.roomId, DESK);
  call = await scene.waitForState(room.roomId, "active");
  await expectBothCallsGoOn();
}, 600_000);
afterAll(async () => {
  await alice?.leave();
  await good?.stop();
  await scene?.stop();
  await way?.cut();
}, 60_000);

/** The gateway's application exists in Asterisk as long as its events connection stands. */
const untilConnected = async (): Promise<void> => {
  const { ariUrl, ariUser, ariPassword } = scene.lab.trunkPeer;
  const authorization = `Basic ${Buffer.from(`${ariUser}:${ariPassword}`).toString("base64")}`;
  await until(
    "the gateway to be connected to Asterisk",
    async () => {
      const applications = (await (
        await fetch(`${ariUrl}/applications`, { headers: { authorization } })
      ).json()) as unknown[];
      return applications.length > 0 ? true : undefined;
    },
    { withinMs: 15_000 },
  );
};

const untilLogged = (text: string, count: number): Promise<true> =>
  until(`"${text}" ${count} times in the gateway's log`, async () =>
    (await readFile(scene.lab.log("gateway"), "utf8")).split(text).length > count ? true : undefined,
  );

const expectBothCallsGoOn = async (): Promise<void> => {
  const desk = scene.lab.phones[DESK];
  await allHear([
    [memberEar(alice, ghost), desk.toneHz],
    [phoneEar(desk), TONES_HZ.alice],
  ]);
  expect(await scene.call(call.call_id)).toMatchObject({ state: "active" });
  await good.expectUnharmed();
};

test(
  "the way to Asterisk breaks for a moment: nobody is hung up, and everybody hears everybody again",
  async () => {
    const { lab } = scene;
    const before = await metric(lab, "ari_reconnects_total");
    await way.cut();
    await way.restore();
    await until("the events to be back", async () =>
      (await metric(lab, "ari_reconnects_total")) > before ? true : undefined,
    );
    await expectBothCallsGoOn();
    expect(lab.phones[DESK].state).toBe("established");
    expect((await lab.pbx.calls()).map(({ number }) => number)).toEqual(["1002", DESK]);
  },
  TIMEOUT_MS,
);

test(
  "the SFU is killed and comes back: the same calls go on",
  async () => {
    const sfu = scene.lab.process("livekit");
    await sfu.kill();
    // Until then what was said before is still to be heard.
    await untilLogged('"state":"interrupted"', 2);
    await sfu.startAgain();
    await expectBothCallsGoOn();
  },
  TIMEOUT_MS,
);

test(
  "the SFU stays away: the calls end, and so does one that is added meanwhile; later ones work",
  async () => {
    const { lab } = scene;
    const sfu = lab.process("livekit");
    const before = await endedWith(lab, "media-failed");
    await sfu.kill();
    const other = roomHand(lab, await scene.createRoom({ encrypted: false }), scene.alice);
    await other.joinCallSilently(scene.alice);
    await other.untilBotHasRead(scene.alice);
    await scene.addByApi(other.roomId, OUTSIDE);
    // The token service makes the room on the SFU, so it is what fails first.
    expect(await scene.waitForState(other.roomId, "ended", 20_000)).toMatchObject({ outcome: "room-unavailable" });
    expect(await scene.waitForState(room.roomId, "ended", 30_000)).toMatchObject({ outcome: "media-failed" });
    expect(await scene.waitForState(good.roomId, "ended", 30_000)).toMatchObject({ outcome: "media-failed" });
    expect(await endedWith(lab, "media-failed")).toBe(before + 2);
    await lab.phones[DESK].waitForClosed();
    await room.waitForNotice(lab.gateway.botUserId, `The call to ${DESK} ended: the audio could not be connected.`);
    await sfu.startAgain();
    for (const { roomId, ghost: who } of [
      { roomId: room.roomId, ghost },
      { roomId: good.roomId, ghost: good.call.user_id },
    ]) {
      expect(await leftOf(lab, { roomId, ghost: who, witness: scene.bob })).toEqual([]);
    }
    const later = await scene.addByApi(room.roomId, OUTSIDE);
    await alice.hear(later.user_id, TONES_HZ.outside);
  },
  TIMEOUT_MS,
);

test(
  "the gateway's Asterisk is killed: its calls end, new ones fail until it is back",
  async () => {
    const { lab } = scene;
    const asterisk = lab.process("trunk-peer");
    const running = await scene.waitForState(room.roomId, "active");
    await asterisk.kill();
    // It may come back with the call for as long as lost audio is waited for.
    const ended = await scene.waitForState(room.roomId, "ended", 20_000);
    expect(ended).toMatchObject({ call_id: running.call_id, outcome: "media-failed" });
    await alice.waitForNoMember(running.user_id);

    const failed = await endedWith(lab, "trunk-failed");
    await scene.addByApi(room.roomId, OUTSIDE);
    expect(await scene.waitForState(room.roomId, "ended")).toMatchObject({
      outcome: "trunk-failed",
      cause: { text: "Asterisk (ARI) is not connected" },
    });
    expect(await endedWith(lab, "trunk-failed")).toBe(failed + 1);

    await asterisk.startAgain();
    await untilConnected();
    await good.expectNothingLeft({ roomId: room.roomId, ghost: running.user_id, witness: scene.alice }, 10_000);
    const again = await scene.addByApi(room.roomId, OUTSIDE);
    await alice.hear(again.user_id, TONES_HZ.outside);
    expect(await scene.call(again.call_id)).toMatchObject({ state: "active" });
  },
  TIMEOUT_MS,
);
