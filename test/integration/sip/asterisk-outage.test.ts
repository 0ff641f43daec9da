import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";

import { dominantFrequency } from "../../../deploy/lab/audio/analysis.ts";
import { TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { OUTSIDE_NUMBER, OUTSIDE_NUMBERS } from "../../../deploy/lab/outside-world.ts";
import type { LegMedia } from "../../../src/calls/ports.ts";
import { legId, trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { type BreakableWay, createBreakableWay } from "./asterisk-proxy.ts";
import {
  connectAudio,
  dialLeg,
  expectNothingHeld,
  expectTone,
  heldByAsterisk,
  recordingLog,
} from "./asterisk-support.ts";

jest.setTimeout(30_000);

const { log, lines } = recordingLog();
let lab: Lab;
let way: BreakableWay;
let engine: AsteriskEngine;

const engineAt = (url: string, its = log): AsteriskEngine =>
  createAsteriskEngine(
    {
      url,
      username: lab.trunkPeer.ariUser,
      password: lab.trunkPeer.ariPassword,
      app: "mrtc-sip-gateway",
      allowInsecure: false,
      trunks: new Map([[trunkId("xivo"), { endpoint: "xivo" }]]),
    },
    its,
  );

beforeAll(async () => {
  lab = await startLab({ parts: ["trunk-peer"] });
  way = await createBreakableWay(lab.ports.trunkPeerHttp);
  engine = engineAt(`http://127.0.0.1:${way.port}/ari`);
  await engine.ready();
}, 600_000);

afterAll(async () => {
  engine?.close();
  await way?.cut();
  await lab?.stop();
});

afterEach(() => expectNothingHeld(lab.trunkPeer));

/** Past the breakable way: a media worker's connection is its own. */
const direct = (media: LegMedia): LegMedia =>
  media.kind === "asterisk-websocket"
    ? { ...media, url: media.url.replace(`:${way.port}/`, `:${lab.ports.trunkPeerHttp}/`) }
    : media;

/** Waits until a line with these words is in the log. */
const logged = async (words: string, after: number): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while (!lines.slice(after).some((line) => line.includes(words))) {
    if (performance.now() > deadline) throw new Error(`not logged: ${words}`);
    await delay(10);
  }
};

test("ARI away in a call: audio goes on, and what happened meanwhile is told when it is back", async () => {
  const talking = dialLeg(engine, OUTSIDE_NUMBER);
  const audio = await connectAudio(direct((await talking.until("leg.mediaReady")).media), 520);
  await talking.until("leg.answered");
  const leaving = dialLeg(engine, OUTSIDE_NUMBERS.hangsUpAfterTwoSeconds);
  await leaving.until("leg.answered");
  const answering = dialLeg(engine, OUTSIDE_NUMBERS.ringsOneSecond);
  await answering.until("leg.ringing");
  const before = lines.length;
  await way.cut();
  await logged("events connection lost", before);
  // Longer than the one rings and the other stays; the audio does not care.
  const heard = await audio.hear(120);
  expectTone(dominantFrequency(heard, 8000).frequencyHz, TONES_HZ.outside);
  expect(leaving.types()).not.toContain("leg.ended");
  expect(answering.types()).not.toContain("leg.answered");

  await way.restore();
  expect(await leaving.until("leg.ended")).toMatchObject({ outcome: "completed", tryNextTrunk: false });
  await answering.until("leg.answered");
  expect(talking.types()).not.toContain("leg.ended");
  const renewed = await connectAudio(direct(await engine.renewMedia(talking.id)), 520);
  expectTone(dominantFrequency(await renewed.hear(25), 8000).frequencyHz, TONES_HZ.outside);
  await Promise.all([engine.hangup(talking.id, "completed"), engine.hangup(answering.id, "completed")]);
  expect((await talking.until("leg.ended")).outcome).toBe("completed");
});

test("a fault that takes ARI and the audio at once: new media waits for ARI", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.echo);
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, 520);
  await leg.until("leg.answered");
  await way.cut();
  await audio.closed();
  const renewal = engine.renewMedia(leg.id);
  await way.restore();
  const renewed = await connectAudio(await renewal, 520);
  expectTone(dominantFrequency(await renewed.hear(25), 8000).frequencyHz, 520);
  expect(leg.types()).not.toContain("leg.ended");
  await engine.hangup(leg.id, "completed");
});

test("hang-up while ARI is away returns within 2 s, and the phone is hung up when it is back", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBER);
  await leg.until("leg.answered");
  await way.cut();
  const startedMs = performance.now();
  await engine.hangup(leg.id, "removed");
  expect(performance.now() - startedMs).toBeLessThan(2100);
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "removed" });
  expect(await heldByAsterisk(lab.trunkPeer)).not.toEqual([]);
  await way.restore();
  await expectNothingHeld(lab.trunkPeer, 8000);
});

test("a call that is dialled while ARI is away may take the next trunk", async () => {
  const before = lines.length;
  await way.cut();
  await logged("events connection lost", before);
  const leg = dialLeg(engine, OUTSIDE_NUMBER);
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
  await expect(engine.listLegs()).rejects.toMatchObject({ code: "TRUNK_UNAVAILABLE", retryable: true });
  const connected = lines.length;
  await way.restore();
  await logged("connected to Asterisk", connected);
});

test("Asterisk drops the ARI application under a connection that stands: it is made anew, and calls go out again", async () => {
  const before = lines.length;
  // What another program leaves that took the application over; the same comes of two connections that end and begin at once.
  const other = engineAt(lab.trunkPeer.ariUrl, recordingLog().log);
  await other.ready();
  await logged("another program took over", before);
  other.close();
  await logged("connected to Asterisk", before);
  const leg = dialLeg(engine, OUTSIDE_NUMBER);
  expect(await leg.until("leg.answered")).toMatchObject({ type: "leg.answered" });
  await engine.hangup(leg.id, "completed");
});

/** Another process with an engine that dials and then only waits. */
const startGatewayProcess = async (
  dialString: string,
  maxDurationMs: number,
): Promise<ChildProcessByStdio<null, Readable, null>> => {
  const program = fileURLToPath(new URL("asterisk-dialler.ts", import.meta.url));
  const { ariUrl, ariUser, ariPassword } = lab.trunkPeer;
  const options = JSON.stringify({ ariUrl, ariUser, ariPassword, dialString, maxDurationMs });
  const child = spawn(process.execPath, [program, options], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const chunk of child.stdout) if (String(chunk).includes("leg.answered")) return child;
  throw new Error("the other gateway's phone did not answer");
};

test("a gateway that died in a call: Asterisk ends it after the longest duration, the next gateway tidies up", async () => {
  engine.close();
  const child = await startGatewayProcess(OUTSIDE_NUMBER, 2000);
  const answeredMs = performance.now();
  child.kill("SIGKILL");
  await once(child, "exit");
  const phones = async (): Promise<string[]> =>
    (await heldByAsterisk(lab.trunkPeer)).filter((name) => name.startsWith("PJSIP/"));
  expect(await phones()).toHaveLength(1);
  while ((await phones()).length > 0 && performance.now() - answeredMs < 10_000) await delay(50);
  // 1 s of ringing time is granted on top of the 2 s.
  expect(performance.now() - answeredMs).toBeGreaterThan(2000);
  expect(performance.now() - answeredMs).toBeLessThan(5000);
  // Its bridge is still there.
  expect(await heldByAsterisk(lab.trunkPeer)).toHaveLength(1);
  engine = engineAt(`http://127.0.0.1:${way.port}/ari`);
  await expectNothingHeld(lab.trunkPeer);
});

test("a gateway that died in a call: the next one finds the leg, leaves it alone and can hang it up", async () => {
  engine.close();
  const child = await startGatewayProcess(OUTSIDE_NUMBER, 60_000);
  child.kill("SIGKILL");
  await once(child, "exit");
  engine = engineAt(`http://127.0.0.1:${way.port}/ari`);
  await engine.ready();
  expect(await engine.listLegs()).toEqual(["left-behind"]);
  await engine.hangup(legId("left-behind"), "shutdown");
  await expectNothingHeld(lab.trunkPeer);
  expect(await engine.listLegs()).toEqual([]);
});

test("the longest duration ends a call of a living gateway as well, as a limit", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBERS.answersAtOnce, { ringTimeoutMs: 1000, maxDurationMs: 1000 });
  await leg.until("leg.answered");
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "limit-reached", tryNextTrunk: false });
});

test("50 calls, answered, busy, cancelled and left by the phone, leave nothing behind", async () => {
  const fdsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
  const asteriskPid = lab.process("trunk-peer").pid;
  const one = async (index: number): Promise<void> => {
    const numbers = [OUTSIDE_NUMBERS.answersAtOnce, OUTSIDE_NUMBERS.busy, OUTSIDE_NUMBERS.noAnswer, OUTSIDE_NUMBER];
    const leg = dialLeg(engine, numbers[index % numbers.length]!);
    if (index % 4 === 0 || index % 4 === 3) await connectAudio((await leg.until("leg.mediaReady")).media, 520);
    if (index % 4 === 2) await leg.until("leg.ringing");
    if (index % 4 === 1) await leg.until("leg.ended");
    if (index % 4 === 3) await leg.until("leg.answered");
    await engine.hangup(leg.id, "completed");
    await leg.until("leg.ended");
  };
  const batch = (from: number): Promise<void[]> => Promise.all(Array.from({ length: 10 }, (_, i) => one(from + i)));
  await batch(0);
  await expectNothingHeld(lab.trunkPeer);
  const before = { own: fdsOf(process.pid), asterisk: fdsOf(asteriskPid) };
  for (let from = 10; from < 50; from += 10) await batch(from);
  await expectNothingHeld(lab.trunkPeer);
  expect(await engine.listLegs()).toEqual([]);
  // Kept-alive connections come and go; a leak would be one per call.
  expect(fdsOf(process.pid)).toBeLessThan(before.own + 15);
  expect(fdsOf(asteriskPid)).toBeLessThan(before.asterisk + 15);
});
