// What calls survive, and what is cleaned up when they do not: a media worker killed, the SFU restarted, the gateway stopped and killed.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import type { ServerProcess } from "../../deploy/lab/process.ts";
import { allHear, heardByMember, phoneRecorded, longestGapMs, memberEar, phoneEar } from "../support/e2e/audio.ts";
import { listSfuParticipants } from "../../deploy/lab/sfu-participants.ts";
import { type GhostInRoom, leftOf } from "../support/e2e/leftovers.ts";
import { killWorkerWithCall, restartLivekit } from "../support/e2e/processes.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 90_000;

let scene: Scene;
let livekit: ServerProcess | undefined;

beforeAll(async () => {
  scene = await startScene();
}, 600_000);
afterEach(() => scene.reset());
afterAll(async () => {
  await livekit?.stop();
  await scene?.stop();
});

interface Stage extends GhostInRoom, AsyncDisposable {
  readonly atAlice: LabMemberProcess;
  /** Both sides hear each other. */
  hearEachOther(): Promise<void>;
}

/** Alice and phone 1001 talk in an encrypted room. */
const startCall = async (): Promise<Stage> => {
  const { lab, alice, bob } = scene;
  const phone = lab.phones["1001"];
  phone.answerMode = "auto";
  const roomId = await scene.createRoom({ encrypted: true });
  const ghost = lab.gateway.ghost("1001");
  const atAlice = await scene.join(alice, roomId, TONES_HZ.alice, { keepMs: 60_000 });
  const hearEachOther = () =>
    allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
  await atAlice.invite(ghost);
  await hearEachOther();
  return { roomId, ghost, witness: bob, atAlice, hearEachOther, [Symbol.asyncDispose]: () => atAlice.leave() };
};

test(
  "a killed media worker costs a call a few seconds of audio, not the call",
  async () => {
    const phone = scene.lab.phones["1001"];
    await using stage = await startCall();
    await killWorkerWithCall(scene.lab);
    await stage.hearEachOther();
    expect(longestGapMs(await heardByMember(stage.atAlice), phone.toneHz)).toBeLessThan(5000);
    expect(longestGapMs(await phoneRecorded(phone).recording(), TONES_HZ.alice)).toBeLessThan(5000);
    expect(phone.state).toBe("established");
    expect(await scene.calls(stage.roomId)).toMatchObject([{ state: "active" }]);
    expect(await scene.lab.gateway.metrics()).toMatch(/^mrtc_sip_gateway_workers_restarted_total [1-9]/m);

    const hungUpAtMs = performance.now();
    await phone.hangup();
    await scene.expectNothingLeft(stage, hungUpAtMs);
  },
  TIMEOUT_MS,
);

test(
  "a gateway that is stopped hangs up its phones and leaves nothing behind",
  async () => {
    const { lab } = scene;
    await using stage = await startCall();
    const [call] = await scene.calls(stage.roomId);
    const stoppedAtMs = performance.now();
    await Promise.all([lab.gateway.process().stop(), lab.phones["1001"].waitForClosed(5000)]);
    // The gateway took its time to leave; nothing is left when it has gone.
    expect(performance.now() - stoppedAtMs).toBeLessThan(8000);
    expect(await leftOf(lab, stage)).toEqual([]);
    await scene.waitForRoomMembership(stage, "leave", 1000);
    await stage.atAlice.waitForNoMember(stage.ghost);

    await lab.gateway.restart();
    expect(await scene.call(call!.call_id)).toMatchObject({ state: "ended", outcome: "shutdown" });
  },
  TIMEOUT_MS,
);

test(
  "what a killed gateway left is gone when it has been started again",
  async () => {
    const { lab } = scene;
    await using stage = await startCall();
    const [call] = await scene.calls(stage.roomId);
    await lab.gateway.process().kill();
    // Nobody is there to hang up.
    expect(lab.phones["1001"].state).toBe("established");
    expect(await leftOf(lab, stage)).toEqual(expect.arrayContaining([expect.stringContaining("membership")]));

    await lab.gateway.restart();
    await lab.phones["1001"].waitForClosed(2000);
    // The SFU waits about 20 s for a participant that vanished to come back; who is in the call is said by memberships.
    const left = (await leftOf(lab, stage)).filter((what) => !what.startsWith("SFU participant"));
    expect(left).toEqual([]);
    await scene.waitForRoomMembership(stage, "leave", 2000);
    await stage.atAlice.waitForNoMember(stage.ghost);
    expect(await scene.call(call!.call_id)).toMatchObject({ state: "ended", outcome: "shutdown" });

    // And the number can be called again.
    await stage.atAlice.invite(stage.ghost);
    await stage.hearEachOther();
  },
  TIMEOUT_MS,
);

test(
  "a call goes on when the SFU has been restarted",
  async () => {
    const phone = scene.lab.phones["1001"];
    await using stage = await startCall();
    const before = (await listSfuParticipants(scene.lab.livekit)).map(({ sid }) => sid);
    livekit = await restartLivekit(scene.lab);
    // Jitter buffers go on for a moment: only what is heard when both are in the new SFU tells that they came back.
    await until(
      "alice and the phone to be in the restarted SFU",
      async () => {
        const now = await listSfuParticipants(scene.lab.livekit);
        return now.filter(({ sid }) => !before.includes(sid)).length === 2 ? true : undefined;
      },
      { withinMs: 20_000 },
    );
    await stage.hearEachOther();
    expect(phone.state).toBe("established");
    expect(await scene.calls(stage.roomId)).toMatchObject([{ state: "active" }]);

    const hungUpAtMs = performance.now();
    await phone.hangup();
    // What a killed SFU has in Redis of its last participants stays there for a while, as this one may.
    await scene.expectNothingLeft(stage, hungUpAtMs, (what) => !what.startsWith("SFU participant"));
  },
  TIMEOUT_MS,
);
