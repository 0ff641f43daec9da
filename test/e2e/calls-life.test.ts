// What happens to phones while they are in a call: hold, members that come and go, being left alone, and the longest call.
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { OUTSIDE_NUMBERS } from "../../deploy/lab/outside-world.ts";
import {
  allHear,
  heardByMember,
  phoneRecorded,
  longestGapMs,
  memberEar,
  memberStaysDeaf,
  phoneEar,
  recordLine,
  staysDeaf,
} from "../support/e2e/audio.ts";
import { roomHand } from "../support/e2e/rooms.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 90_000;
const ALONE_TIMEOUT_MS = 5000;
/** The shortest that can be configured. */
const MAX_CALL_MS = 60_000;
/** The last note of the tone that tells phones that they are alone. */
const ALONE_NOTE_HZ = 523;
const LONGEST_GAP_MS = 1500;

let scene: Scene;
/** A call that runs from the beginning of this file to its end, as its end is awaited. */
let longCall: ApiCall;
let inLongCall: LabMemberProcess;

beforeAll(async () => {
  scene = await startScene({ config: { calls: { alone_timeout: "5s" }, limits: { max_call_duration: "1m" } } });
  const { carol } = scene;
  const roomId = await scene.createRoom({ encrypted: false });
  inLongCall = await scene.join(carol, roomId, 0, { hears: false });
  longCall = await scene.addByApi(roomId, OUTSIDE_NUMBERS.ringsOneSecond);
}, 600_000);
afterEach(() => scene.reset());
afterAll(async () => {
  await inLongCall?.leave();
  await scene?.stop();
});

/** Puts phone 1001 into the call that alice is in and waits until both sides hear each other. */
const addPhone1001 = async (atAlice: LabMemberProcess): Promise<{ ghost: string }> => {
  const phone = scene.lab.phones["1001"];
  phone.answerMode = "auto";
  const ghost = scene.lab.gateway.ghost("1001");
  await atAlice.invite(ghost);
  await allHear([
    [memberEar(atAlice, ghost), phone.toneHz],
    [phoneEar(phone), TONES_HZ.alice],
  ]);
  return { ghost };
};

test.each([{ encrypted: false }, { encrypted: true }])(
  "nothing passes while a phone is on hold, everything afterwards (encrypted: $encrypted)",
  async ({ encrypted }) => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    const roomId = await scene.createRoom({ encrypted });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    const { ghost } = await addPhone1001(atAlice);

    const line = await recordLine(lab, phone);
    await allHear([[line, TONES_HZ.alice]]);

    const untilNamed = (name: string) =>
      until(`${ghost} to be called ${name}`, async () => {
        const member = await roomHand(lab, roomId, alice).state<{ displayname: string }>("m.room.member", ghost);
        return member?.displayname === name ? true : undefined;
      });
    await phone.hold();
    await Promise.all([memberStaysDeaf(atAlice, phone.toneHz, 1000), staysDeaf(line, TONES_HZ.alice, 1000)]);
    expect(await scene.calls(roomId)).toMatchObject([{ state: "active" }]);
    await untilNamed("1001 (on hold)");

    await phone.resume();
    await untilNamed("1001");
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [line, TONES_HZ.alice],
    ]);
  },
  TIMEOUT_MS,
);

test(
  "nobody goes unheard for more than 1.5 s while members come and go and keys change",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice, { keepMs: 60_000 });
    const { ghost } = await addPhone1001(atAlice);
    const firstKeyAtMs = await atAlice.ownKeySinceMs();
    const fromMs = performance.now();
    const heardBefore = (await phoneRecorded(phone).recording()).samples.length;

    for (let round = 0; round < 2; round += 1) {
      await using atBob = await scene.join(bob, roomId, TONES_HZ.bob);
      await allHear([
        [memberEar(atBob, ghost), phone.toneHz],
        [memberEar(atBob, alice.userId), TONES_HZ.alice],
        [memberEar(atAlice, bob.userId), TONES_HZ.bob],
        [phoneEar(phone), TONES_HZ.bob],
      ]);
      await atBob.leave();
      await atAlice.waitForNoMember(bob.userId);
      await staysDeaf(phoneRecorded(phone), TONES_HZ.bob, 300);
    }
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);

    expect(await atAlice.ownKeySinceMs()).toBeGreaterThan(firstKeyAtMs ?? Infinity);
    const heard = await phoneRecorded(phone).recording();
    expect(longestGapMs(heard, TONES_HZ.alice)).toBeLessThanOrEqual(LONGEST_GAP_MS);
    expect(longestGapMs(await heardByMember(atAlice), phone.toneHz)).toBeLessThanOrEqual(LONGEST_GAP_MS);
    // A recording does not show packets that never came: what came fills most of the time, all of it on a machine that is not busy.
    const playedMs = ((heard.samples.length - heardBefore) / heard.sampleRateHz) * 1000;
    expect(playedMs).toBeGreaterThan(0.7 * (performance.now() - fromMs));
  },
  TIMEOUT_MS,
);

test(
  "phones that are left alone are told by a tone and hung up after the configured time",
  async () => {
    const { lab, alice, bob } = scene;
    const [one, two] = [lab.phones["1001"], lab.phones["1002"]];
    two.answerMode = "auto";
    const roomId = await scene.createRoom({ encrypted: true });
    const atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await addPhone1001(atAlice);
    await atAlice.sendMessage("!phone add 1002");
    await allHear([
      [phoneEar(one), two.toneHz],
      [phoneEar(two), one.toneHz],
    ]);

    await atAlice.leave();
    const leftAtMs = performance.now();
    // They keep hearing each other meanwhile.
    await allHear([
      [phoneEar(one), ALONE_NOTE_HZ],
      [phoneEar(two), ALONE_NOTE_HZ],
      [phoneEar(one), two.toneHz],
      [phoneEar(two), one.toneHz],
    ]);
    await Promise.all([one.waitForClosed(10_000), two.waitForClosed(10_000)]);
    const hungUpAtMs = performance.now();
    expect(hungUpAtMs - leftAtMs).toBeGreaterThan(ALONE_TIMEOUT_MS - 1000);
    expect(hungUpAtMs - leftAtMs).toBeLessThan(ALONE_TIMEOUT_MS + 2000);
    for (const number of ["1001", "1002"]) {
      const what = { roomId, ghost: lab.gateway.ghost(number), witness: bob, besides: longCall.call_id };
      await scene.expectNothingLeft(what, hungUpAtMs);
    }
    await scene.waitForState(roomId, "ended");
    expect(await scene.calls(roomId)).toMatchObject([{ outcome: "completed" }, { outcome: "completed" }]);
  },
  TIMEOUT_MS,
);

test(
  "a phone that is left alone stays when somebody comes back in time",
  async () => {
    const { lab, alice, bob } = scene;
    const phone = lab.phones["1001"];
    const roomId = await scene.createRoom({ encrypted: true });
    const atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await using atBob = await scene.join(bob, roomId, TONES_HZ.bob, { joinLater: true });
    const { ghost } = await addPhone1001(atAlice);

    await atAlice.leave();
    const leftAtMs = performance.now();
    await phoneEar(phone).hear(ALONE_NOTE_HZ);
    await atBob.join();
    await atBob.publishTone(TONES_HZ.bob);
    await allHear([
      [memberEar(atBob, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
    // Until it would have been hung up.
    await delay(leftAtMs + ALONE_TIMEOUT_MS + 1000 - performance.now());
    expect(phone.state).toBe("established");
    expect(await scene.calls(roomId)).toMatchObject([{ state: "active" }]);
    await allHear([[memberEar(atBob, ghost), phone.toneHz]]);
  },
  TIMEOUT_MS,
);

test(
  "a phone that has to confirm is heard, and hears the call, only when it has pressed 1",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    phone.answerMode = "auto";
    const ghost = lab.gateway.ghost("1001");
    const roomId = await scene.createRoom({ encrypted: true });
    await using atAlice = await scene.join(alice, roomId, TONES_HZ.alice);
    await atAlice.sendMessage("!phone add 1001 confirm");
    await phone.waitForEstablished();
    await memberStaysDeaf(atAlice, phone.toneHz, 1000);
    await scene.waitForState(roomId, "connecting");
    await phone.press("1");
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    await phone.hangup();
  },
  TIMEOUT_MS,
);

test(
  "a call ends after the longest time that a call may take",
  async () => {
    const ended = await scene.waitForEnd(longCall.call_id, MAX_CALL_MS + 10_000);
    expect(ended).toMatchObject({ state: "ended", outcome: "completed" });
    const lastedMs = Date.parse(ended.ended_at ?? "") - Date.parse(ended.answered_at ?? "");
    expect(lastedMs).toBeGreaterThan(MAX_CALL_MS - 500);
    // The time counts from when both sides hear each other.
    expect(lastedMs).toBeLessThan(MAX_CALL_MS + 5000);
  },
  MAX_CALL_MS + 20_000,
);
