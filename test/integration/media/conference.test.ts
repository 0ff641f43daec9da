import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import type { CallId } from "../../../src/ids.ts";
import { eventually, type Scene, type ScenePhone, startScene } from "../../support/media/scene.ts";
import type { Talker } from "../../support/media/talker.ts";
import { levelWhateverPhase, toneLevel } from "../../support/media/tones.ts";

jest.setTimeout(60_000);

/** A tone that is said arrives at -15 dBFS; what is not said is below -40. */
const HEARD_DBFS = -22;
const NOT_HEARD_DBFS = -40;
const ALICE_HZ = 610;
const PHONE_HZ = { one: 440, two: 770 } as const;
/** Of the audio that a level is measured of. */
const WINDOW_MS = 400;

const phoneHears = (phone: ScenePhone, frequencyHz: number, ms = 500): number =>
  levelWhateverPhase(phone.leg.heard(ms), 8000, frequencyHz);

describe("two phones and a member in an encrypted conference", () => {
  let scene: Scene;
  const speakers = new Map<CallId, readonly string[]>();
  let alice: Talker;
  let one: ScenePhone;
  let two: ScenePhone;

  beforeAll(async () => {
    scene = await startScene({ onSpeakers: (call, identities) => speakers.set(call, identities) });
    alice = await scene.talker("alice", ["one", "two"]);
    await alice.say(ALICE_HZ);
    one = await scene.phone("one", { talkers: ["alice"], toneHz: PHONE_HZ.one });
    two = await scene.phone("two", { talkers: ["alice"], toneHz: PHONE_HZ.two });
  });
  afterAll(async () => scene[Symbol.asyncDispose]());

  const everybodyHearsEverybody = (): Promise<true> =>
    eventually(
      async () =>
        phoneHears(one, ALICE_HZ) > HEARD_DBFS &&
        phoneHears(one, PHONE_HZ.two) > HEARD_DBFS &&
        phoneHears(two, ALICE_HZ) > HEARD_DBFS &&
        phoneHears(two, PHONE_HZ.one) > HEARD_DBFS &&
        (await alice.level("one", PHONE_HZ.one)) > HEARD_DBFS &&
        (await alice.level("two", PHONE_HZ.two)) > HEARD_DBFS,
      "everybody hearing everybody",
    );

  test("everybody hears everybody, and nobody himself", async () => {
    await everybodyHearsEverybody();
    // The window still holds the moments in which the tones began, which contain every frequency.
    await eventually(
      async () =>
        phoneHears(one, PHONE_HZ.one) < NOT_HEARD_DBFS &&
        phoneHears(two, PHONE_HZ.two) < NOT_HEARD_DBFS &&
        (await alice.level("one", PHONE_HZ.two)) < NOT_HEARD_DBFS &&
        (await alice.level("one", ALICE_HZ)) < NOT_HEARD_DBFS,
      "nobody hearing himself",
    );
    expect(one.facts.map((fact) => fact.type)).toEqual(["media.flowing", "media.flowing"]);
    // One worker carries both, the other one is the spare.
    const calls = scene.pool.workers().map((worker) => worker.calls);
    expect(calls.toSorted((a, b) => a - b)).toEqual([0, 2]);
  });

  test("each call was told whose microphone is on before it was answered", () => {
    expect([...speakers]).toEqual([
      [one.callId, ["alice"]],
      [two.callId, ["alice"]],
    ]);
  });

  test("keys rotate while everybody talks", async () => {
    await alice.setKey("one", 7, scene.key("one", 7));
    scene.pool.setKey(one.callId, { identity: "one", index: 7, key: scene.key("one", 7) });
    scene.pool.setKey(one.callId, { identity: "alice", index: 200, key: scene.key("alice", 200) });
    await alice.setKey("alice", 200, scene.key("alice", 200));
    await everybodyHearsEverybody();
    // Half a second of the new keys alone, without a gap: a lost frame would lower the tone.
    const level = () => alice.level("one", PHONE_HZ.one, WINDOW_MS);
    const before = await eventually(async () => {
      const earlier = await level();
      await delay(WINDOW_MS);
      const later = await level();
      return Math.abs(earlier - later) < 0.2 && later;
    }, "a steady tone");
    await alice.setKey("one", 8, scene.key("one", 8));
    scene.pool.setKey(one.callId, { identity: "one", index: 8, key: scene.key("one", 8) });
    let afterwards = 0;
    const isAsBefore = async (): Promise<boolean> => Math.abs((afterwards = await level()) - before) < 0.5;
    await eventually(isAsBefore, "no gap").catch((cause: unknown) => {
      throw new Error(`${before.toFixed(1)} dBFS before, ${afterwards.toFixed(1)} since`, { cause });
    });
    expect(afterwards).toBeGreaterThan(HEARD_DBFS);
  });

  test("a member without a key is silence for the phones, and is counted", async () => {
    const stranger = await scene.talker("stranger", []);
    await stranger.say(1300);
    await eventually(() => scene.pool.stats(one.callId)?.undecryptableMembers === 1, "the count", 12_000);
    expect(phoneHears(one, 1300)).toBeLessThan(NOT_HEARD_DBFS);
    scene.pool.setKey(two.callId, { identity: "stranger", index: 0, key: scene.key("stranger") });
    await eventually(() => phoneHears(one, 1300) > HEARD_DBFS, "hearing the stranger once its key is there");
    await stranger.close();
    await eventually(() => phoneHears(one, 1300) < NOT_HEARD_DBFS, "silence after the stranger has left", 30_000);
  });

  test("who is in the SFU's room without being a member of the call is not heard, and is when it becomes one", async () => {
    const intruder = await scene.talker("intruder", [], { isMember: false });
    await intruder.say(1750);
    scene.pool.setKey(one.callId, { identity: "intruder", index: 0, key: scene.key("intruder") });
    const isThere = async (): Promise<boolean> =>
      (await alice.participants()).some(({ identity, tracks }) => identity === "intruder" && tracks === 1);
    await eventually(isThere, "the intruder's track");
    // A second more than a member needs to be heard.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(phoneHears(one, 1750)).toBeLessThan(NOT_HEARD_DBFS);
    expect(phoneHears(two, 1750)).toBeLessThan(NOT_HEARD_DBFS);
    expect(phoneHears(one, ALICE_HZ)).toBeGreaterThan(HEARD_DBFS);
    scene.pool.setMembers(two.callId, ["alice", "intruder"]);
    await eventually(() => phoneHears(one, 1750) > HEARD_DBFS, "hearing it as a member");
    scene.pool.setMembers(two.callId, ["alice"]);
    await eventually(() => phoneHears(one, 1750) < NOT_HEARD_DBFS, "silence after its membership ended");
    await intruder.close();
  });

  test("hold stops both directions and shows the track as muted", async () => {
    await scene.pool.setHeld(one.callId, true);
    const muted = async (): Promise<boolean | undefined> =>
      (await alice.participants()).find((participant) => participant.identity === "one")?.muted;
    await eventually(muted, "the mute");
    await eventually(async () => (await alice.level("one", PHONE_HZ.one, 200)) < NOT_HEARD_DBFS, "silence for alice");
    await eventually(() => phoneHears(two, PHONE_HZ.one) < NOT_HEARD_DBFS, "silence for the other phone");
    const received = one.leg.received();
    await eventually(() => phoneHears(one, ALICE_HZ) < NOT_HEARD_DBFS, "silence for the held phone");
    expect(one.leg.received() - received).toBeLessThan(3);
    await scene.pool.setHeld(one.callId, false);
    await everybodyHearsEverybody();
    expect(await muted()).toBe(false);
  });

  test("a prompt is mixed over what the phone hears, for that phone only", async () => {
    await scene.pool.prompt(one.callId, "alone");
    const hearsBoth = (): boolean => phoneHears(one, 784, 100) > -26 && phoneHears(one, ALICE_HZ, 100) > HEARD_DBFS;
    await eventually(hearsBoth, "the prompt and alice at the same time");
    expect(phoneHears(two, 784)).toBeLessThan(NOT_HEARD_DBFS);
  });

  test("the listening connection hands over before it leaves: no gap for the others", async () => {
    const gapsBefore = two.leg.gaps();
    await scene.pool.leave(one.callId);
    const isThere = async (): Promise<boolean> =>
      (await alice.participants()).some((participant) => participant.identity === "one");
    await eventually(async () => !(await isThere()), "the phone leaving the SFU", 1000);
    // The last 200 ms were heard after the hand-over; the tone is whole.
    expect(toneLevel(two.leg.heard(200), 8000, ALICE_HZ)).toBeGreaterThan(HEARD_DBFS);
    await eventually(() => phoneHears(two, PHONE_HZ.one) < NOT_HEARD_DBFS, "silence of the phone that left");
    expect(phoneHears(two, ALICE_HZ)).toBeGreaterThan(HEARD_DBFS);
    expect(two.leg.gaps() - gapsBefore).toBeLessThan(5);
    expect(scene.pool.stats(one.callId)).toBeUndefined();
    await one.leg.closed;
  });

  test("no key and no token reaches the log", () => {
    const log = scene.logLines.join("\n");
    for (const secret of [scene.key("one"), scene.key("alice", 200)]) {
      expect(log).not.toContain(Buffer.from(secret).toString("base64"));
    }
    expect(log).not.toContain("eyJ");
  });
});
