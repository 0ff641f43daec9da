import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";

import { dominantFrequency, slice } from "../../../deploy/lab/audio/analysis.ts";
import { TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import { readWav } from "../../../deploy/lab/audio/wav.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { OUTSIDE_NUMBER, OUTSIDE_NUMBERS } from "../../../deploy/lab/outside-world.ts";
import { legId, trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { checkAsterisk } from "../../../src/sip/asterisk/health.ts";
import type { AsteriskEngineOptions } from "../../../src/sip/asterisk/options.ts";
import { connectAudio, dialLeg, expectNothingHeld, expectTone, recordingLog } from "./asterisk-support.ts";

jest.setTimeout(20_000);

const OUR_TONE_HZ = 520;
/** Frames of 20 ms that are enough to tell a tone. */
const ONE_SECOND = 50;

const { log, lines } = recordingLog();
let lab: Lab;
let options: AsteriskEngineOptions;
let engine: AsteriskEngine;

beforeAll(async () => {
  lab = await startLab({ parts: ["phones", "trunk-peer"] });
  options = {
    url: lab.trunkPeer.ariUrl,
    username: lab.trunkPeer.ariUser,
    password: lab.trunkPeer.ariPassword,
    app: "mrtc-sip-gateway",
    allowInsecure: false,
    trunks: new Map([
      [trunkId("xivo"), { endpoint: "xivo" }],
      [trunkId("missing"), { endpoint: "missing" }],
      [trunkId("ulaw"), { endpoint: "xivo", codec: "ulaw" }],
    ]),
  };
  engine = createAsteriskEngine(options, log);
  await engine.ready();
}, 600_000);

afterAll(async () => {
  engine?.close();
  await lab?.stop();
});

/** After every test: whatever it did, nothing may be left in Asterisk. */
afterEach(() => expectNothingHeld(lab.trunkPeer));

const toneAtEndOf = async (wavFile: string): Promise<number> => {
  const wav = await readWav(wavFile);
  return dominantFrequency(slice(wav, -1), wav.sampleRateHz).frequencyHz;
};

test("a phone rings, answers, both sides hear each other's tone, and we hang up", async () => {
  const phone = lab.phones["1001"];
  const leg = dialLeg(engine, "1001");
  const { media } = await leg.until("leg.mediaReady");
  const audio = await connectAudio(media, OUR_TONE_HZ);
  await phone.waitForRinging();
  await leg.until("leg.ringing");
  await phone.answer();
  await leg.until("leg.answered");
  const heard = dominantFrequency(await audio.hear(ONE_SECOND), 8000);
  expectTone(heard.frequencyHz, TONES_HZ["1001"]);
  expect(heard.levelDbfs).toBeGreaterThan(-23);
  expect(await engine.listLegs()).toEqual([leg.id]);

  await engine.hangup(leg.id, "completed");
  expect(leg.facts.at(-1)).toEqual({
    type: "leg.ended",
    outcome: "completed",
    cause: { q850: 16 },
    tryNextTrunk: false,
  });
  await phone.waitForClosed();
  await audio.closed();
  expectTone(await toneAtEndOf(await phone.heardWav()), OUR_TONE_HZ);
  expect(await engine.listLegs()).toEqual([]);
});

test("with A-law everywhere Asterisk transcodes nothing", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.answersAtOnce);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.answered");
  await audio.hear(5);
  const names = (await lab.trunkPeer.cli("core show channels concise")).split("\n").map((line) => line.split("!")[0]!);
  const channels = await Promise.all(
    names.filter((name) => name !== "").map((name) => lab.trunkPeer.cli(`core show channel ${name}`)),
  );
  expect(channels).toHaveLength(2);
  for (const channel of channels) {
    expect(channel).toMatch(/NativeFormats: \(alaw\)/);
    expect(channel).toMatch(/WriteTranscode: No/);
    expect(channel).toMatch(/ReadTranscode: No/);
  }
  await engine.hangup(leg.id, "completed");
});

test("where the PBX chooses another codec than was asked for, the media follows", async () => {
  // The lab's PBX prefers A-law, whatever the order of the offer.
  const leg = dialLeg(engine, OUTSIDE_NUMBER, { trunkId: trunkId("ulaw") });
  const { media } = await leg.until("leg.mediaReady");
  expect(media).toMatchObject({ kind: "asterisk-websocket", codec: "ulaw" });
  await leg.until("leg.answered");
  const renewed = await engine.renewMedia(leg.id);
  expect(renewed).toMatchObject({ kind: "asterisk-websocket", codec: "alaw" });
  const audio = await connectAudio(renewed, OUR_TONE_HZ);
  expectTone(dominantFrequency(await audio.hear(ONE_SECOND), 8000).frequencyHz, TONES_HZ.outside);
  await engine.hangup(leg.id, "completed");
});

test("an echo comes back, and the media channel says what it sends", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.echo);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.answered");
  // The echo proves the way there and back.
  expectTone(dominantFrequency(await audio.hear(ONE_SECOND), 8000).frequencyHz, OUR_TONE_HZ);
  expect(audio.messages[0]).toMatch(/^MEDIA_START .*format:alaw optimal_frame_size:160 ptime:20/);
  await engine.hangup(leg.id, "completed");
});

test.each([
  ["busy", OUTSIDE_NUMBERS.busy, { outcome: "busy", cause: { sipStatus: 486 }, tryNextTrunk: false }],
  ["declined", OUTSIDE_NUMBERS.declined, { outcome: "declined", cause: { sipStatus: 603 }, tryNextTrunk: false }],
  [
    "unknown",
    OUTSIDE_NUMBERS.unreachable,
    { outcome: "invalid-number", cause: { sipStatus: 404 }, tryNextTrunk: false },
  ],
  [
    "overloaded",
    OUTSIDE_NUMBERS.unavailable,
    { outcome: "trunk-failed", cause: { sipStatus: 503 }, tryNextTrunk: true },
  ],
])("%s: %s ends with the PBX's own status", async (_, number, ended) => {
  const leg = dialLeg(engine, number);
  expect(await leg.until("leg.ended")).toEqual({ type: "leg.ended", ...ended });
  expect(leg.types().filter((type) => type !== "leg.mediaReady")).toEqual(["leg.ended"]);
});

test("a desk phone that refuses is declined or busy, after it rang", async () => {
  const phone = lab.phones["1001"];
  const leg = dialLeg(engine, "1001");
  await phone.waitForRinging();
  await leg.until("leg.ringing");
  await phone.hangup();
  const ended = await leg.until("leg.ended");
  expect(["busy", "declined"]).toContain(ended.outcome);
});

test("early media is progress, not an answer, it can be heard, and cancelling it frees everything", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.earlyMedia);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.progress");
  expectTone(dominantFrequency(await audio.hear(ONE_SECOND), 8000).frequencyHz, TONES_HZ.outside);
  await engine.hangup(leg.id, "cancelled");
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "cancelled", tryNextTrunk: false });
  expect(leg.types()).not.toContain("leg.answered");
});

test("nobody answers: Asterisk itself cancels when the ring time is over", async () => {
  const phone = lab.phones["1001"];
  const leg = dialLeg(engine, "1001", { ringTimeoutMs: 2000 });
  await phone.waitForRinging();
  const rangAtMs = performance.now();
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "no-answer", tryNextTrunk: false });
  expect(performance.now() - rangAtMs).toBeGreaterThan(1500);
  expect(performance.now() - rangAtMs).toBeLessThan(4000);
  await phone.waitForClosed();
});

test("a ringing phone stops ringing at once when we hang up", async () => {
  const phone = lab.phones["1002"];
  const leg = dialLeg(engine, "1002");
  await phone.waitForRinging();
  const startedMs = performance.now();
  await engine.hangup(leg.id, "cancelled");
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect(leg.facts.at(-1)).toMatchObject({ type: "leg.ended", outcome: "cancelled" });
  await phone.waitForClosed(1000);
  // Again, and for a leg that never was: both harmless.
  await engine.hangup(leg.id, "cancelled");
  await engine.hangup(legId("never-was"), "shutdown");
  expect(leg.types().filter((type) => type === "leg.ended")).toHaveLength(1);
});

test("hang-up in the same moment as dial leaves nothing and rings nobody", async () => {
  const leg = dialLeg(engine, "1001");
  await engine.hangup(leg.id, "cancelled");
  const other = dialLeg(engine, "1001");
  await Promise.resolve();
  await engine.hangup(other.id, "cancelled");
  expect((await other.until("leg.ended")).outcome).toBe("cancelled");
  await leg.until("leg.ended");
});

test("the phone hangs up: completed, and everything is gone within 2 s", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.hangsUpAfterTwoSeconds);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.answered");
  expect(await leg.until("leg.ended")).toEqual({
    type: "leg.ended",
    outcome: "completed",
    cause: { q850: 16 },
    tryNextTrunk: false,
  });
  await audio.closed();
});

test("the phone's hold key stops its audio, without hold music for the conference; the second press brings it back", async () => {
  const phone = lab.phones["1001"];
  const leg = dialLeg(engine, "1001");
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await phone.waitForRinging();
  await phone.answer();
  await leg.until("leg.answered");
  await audio.hear(5);
  await phone.hold();
  await leg.until("leg.held");
  const atHold = audio.frameCount();
  // Silence can only be seen by waiting for it: music would bring 20 frames.
  await delay(400);
  expect(audio.frameCount() - atHold).toBeLessThan(3);
  await phone.resume();
  await leg.until("leg.resumed");
  expectTone(dominantFrequency(await audio.hear(ONE_SECOND), 8000).frequencyHz, TONES_HZ["1001"]);
  await engine.hangup(leg.id, "completed");
  await phone.waitForClosed();
});

test("keys arrive one by one and never in the log", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.pressesKeys);
  await leg.until("leg.answered");
  const keys = (): string => leg.facts.flatMap((fact) => (fact.type === "leg.dtmf" ? [fact.digit] : [])).join("");
  while (keys().length < 4) await leg.next();
  expect(keys()).toBe("159#");
  await engine.hangup(leg.id, "completed");
  expect(lines.join("\n")).not.toMatch(/digit|"[159#]"/);
});

test("renewed media takes the place of the old one in the running call", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBER);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.answered");
  await audio.hear(5);
  const startedMs = performance.now();
  const renewed = await connectAudio(await engine.renewMedia(leg.id), OUR_TONE_HZ + 300);
  await renewed.hear(1);
  expect(performance.now() - startedMs).toBeLessThan(1000);
  await audio.closed();
  expectTone(dominantFrequency(await renewed.hear(ONE_SECOND), 8000).frequencyHz, TONES_HZ.outside);
  await engine.hangup(leg.id, "completed");
  const recording = (await lab.pbx.recordings()).at(-1)!;
  expectTone(await toneAtEndOf(recording.heardWav), OUR_TONE_HZ + 300);
  await expect(engine.renewMedia(leg.id)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
});

test("a media worker that dies leaves the call standing, and new media brings the audio back", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBER);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, OUR_TONE_HZ);
  await leg.until("leg.answered");
  audio.close();
  await audio.closed();
  const renewed = await connectAudio(await engine.renewMedia(leg.id), OUR_TONE_HZ);
  expectTone(dominantFrequency(await renewed.hear(ONE_SECOND), 8000).frequencyHz, TONES_HZ.outside);
  expect(leg.types()).not.toContain("leg.ended");
  await engine.hangup(leg.id, "completed");
});

test("the called side sees number and name, or nothing and a wish for privacy", async () => {
  await lab.pbx.cli("pjsip set logger on");
  const inviteTo = async (number: string): Promise<string> => {
    const sip = await readFile(lab.log("pbx"), "utf8");
    return sip.slice(sip.lastIndexOf(`INVITE sip:${number}@`)).split(/\r?\n\r?\n/)[0]!;
  };
  const open = dialLeg(engine, OUTSIDE_NUMBERS.busy);
  await open.until("leg.ended");
  const invite = await inviteTo(OUTSIDE_NUMBERS.busy);
  expect(invite).toMatch(/^From: "Alice" <sip:\+33240101112@/m);
  expect(invite).toMatch(/^P-Asserted-Identity: "Alice" <sip:\+33240101112@/m);
  expect(invite).not.toMatch(/^Privacy:/m);

  const hidden = dialLeg(engine, OUTSIDE_NUMBERS.declined, { callerId: { kind: "anonymous" } });
  await hidden.until("leg.ended");
  const anonymous = await inviteTo(OUTSIDE_NUMBERS.declined);
  expect(anonymous).toMatch(/^From: "Anonymous" <sip:anonymous@anonymous.invalid>/m);
  expect(anonymous).toMatch(/^Privacy: id/m);
  expect(anonymous).not.toMatch(/33240101112|P-Asserted-Identity/);
  await lab.pbx.cli("pjsip set logger off");
});

test("what cannot be dialled ends at once: unknown trunk, missing endpoint, a number that names another endpoint", async () => {
  const unknown = dialLeg(engine, "1001", { trunkId: trunkId("nowhere") });
  expect(unknown.facts).toEqual([]);
  expect(await unknown.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: false });
  const missing = dialLeg(engine, "1001", { trunkId: trunkId("missing") });
  expect(await missing.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
  for (const dialString of ["1001@missing", "1001;x=y", "", "10 01", "1001/sip:evil@example.org"]) {
    const leg = dialLeg(engine, dialString);
    expect(await leg.until("leg.ended")).toMatchObject({ outcome: "invalid-number", tryNextTrunk: false });
  }
});

test("a call that nobody dialled is refused", async () => {
  const phone = lab.phones["1002"];
  await phone.dial("2000");
  expect(await phone.waitForClosed()).toMatch(/^(403|603)/);
});

test("no line of the log holds a number, the password or a media address", () => {
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join("\n")).not.toMatch(/33199000|33240101112|lab-ari|\/media\//);
});

test("the start-up check names what is right and what to do about the rest", async () => {
  const checks = await checkAsterisk(options);
  expect(checks.filter(({ ok }) => !ok)).toEqual([checks[3]]);
  expect(checks[0]!.text).toMatch(/^Asterisk 2\d\.\d+.* at 127\.0\.0\.1:\d+ answers/);
  expect(checks[3]!.text).toBe("trunk missing: Asterisk has no PJSIP endpoint missing");
  expect(checks[3]!.fix).toMatch(/pjsip show endpoints/);

  const [wrongPassword] = await checkAsterisk({ ...options, password: "wrong" });
  expect(wrongPassword).toMatchObject({ ok: false, text: expect.stringMatching(/refuses the ARI name or password/) });
  const [wrongPath] = await checkAsterisk({ ...options, url: options.url.replace("/ari", "/other") });
  expect(wrongPath).toMatchObject({ ok: false, text: expect.stringMatching(/has no ARI there/) });
  const [nobody] = await checkAsterisk({ ...options, url: "http://127.0.0.1:9/ari" });
  expect(nobody).toMatchObject({ ok: false, text: expect.stringMatching(/does not answer/) });
});
