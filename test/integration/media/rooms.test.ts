import { AccessToken } from "livekit-server-sdk";
import { afterEach, expect, jest, test } from "@jest/globals";

import { callId, legId } from "../../../src/ids.ts";
import { eventually, type Scene, startScene } from "../../support/media/scene.ts";
import { startTalker, type Talker } from "../../support/media/talker.ts";
import { toneLevel } from "../../support/media/tones.ts";

jest.setTimeout(60_000);

const HEARD_DBFS = -22;
const NOT_HEARD_DBFS = -40;

let scene: Scene | undefined;
const others: Talker[] = [];
afterEach(async () => {
  await Promise.all(others.splice(0).map((talker) => talker.close()));
  await scene?.[Symbol.asyncDispose]();
  scene = undefined;
});

test("two phones of one room in two workers hear each other through the SFU", async () => {
  scene = await startScene({ maxCallsPerWorker: 1 });
  // Each knows its own key only: ghosts send each other none, the pool hands them over.
  const one = await scene.phone("one", { talkers: [], toneHz: 440 });
  const two = await scene.phone("two", { talkers: [], toneHz: 770 });
  expect(scene.pool.workers().map(({ calls }) => calls)).toEqual([1, 1, 0]);
  await eventually(() => toneLevel(one.leg.heard(300), 8000, 770) > HEARD_DBFS, "hearing two");
  await eventually(() => toneLevel(two.leg.heard(300), 8000, 440) > HEARD_DBFS, "hearing one");
  await eventually(() => toneLevel(one.leg.heard(500), 8000, 440) < NOT_HEARD_DBFS, "one not hearing itself");
});

test("a phone in a leg room of livekit-sip and one at Asterisk are in the same conference", async () => {
  scene = await startScene();
  const { livekit } = scene.lab;
  const legRoom = `leg-${crypto.randomUUID()}`;
  const legToken = async (identity: string): Promise<string> => {
    const token = new AccessToken(livekit.apiKey, livekit.apiSecret, { identity });
    token.addGrant({ roomJoin: true, room: legRoom });
    return token.toJwt();
  };
  const alice = await scene.talker("alice", ["one", "two"]);
  await alice.say(610);
  const one = await scene.phone("one", { talkers: ["alice"], toneHz: 440 });

  // livekit-sip's part: a participant without encryption in a room of its own.
  const sip = startTalker();
  others.push(sip);
  await sip.join({ url: livekit.wsUrl, token: await legToken("sip-two"), identity: "sip-two", encrypted: false });
  await sip.say(1130);
  const two = callId("call-two");
  for (const identity of ["two", "alice"]) {
    scene.pool.setKey(two, { identity, index: 0, key: scene.key(identity) });
  }
  await scene.pool.join({ callId: two, roomId: scene.room, access: await scene.access("two") }, () => {});
  await scene.pool.attach(two, {
    kind: "livekit-room",
    url: livekit.wsUrl,
    token: await legToken("gateway"),
    phoneIdentity: "sip-two",
    legId: legId("leg-two"),
  });
  expect(await alice.level("two", 1130, 200)).toBeLessThan(NOT_HEARD_DBFS);
  await scene.pool.bridge(two);

  // The conference became wideband with this leg; the A-law phone goes on in it.
  await eventually(async () => (await alice.level("two", 1130)) > HEARD_DBFS, "alice hearing the leg room");
  await eventually(async () => (await alice.level("one", 440)) > HEARD_DBFS, "alice hearing the A-law phone");
  await eventually(
    () => toneLevel(one.leg.heard(500), 8000, 1130) > HEARD_DBFS,
    "the A-law phone hearing the leg room",
  );
  await eventually(() => toneLevel(one.leg.heard(500), 8000, 610) > HEARD_DBFS, "the A-law phone hearing alice");
  await eventually(async () => (await sip.level("gateway", 610)) > HEARD_DBFS, "the leg room hearing alice");
  await eventually(async () => (await sip.level("gateway", 440)) > HEARD_DBFS, "the leg room hearing the A-law phone");
  await eventually(async () => (await sip.level("gateway", 1130)) < NOT_HEARD_DBFS, "the leg room not hearing itself");
});

test("a phone that sends nothing, and a member that cannot be decrypted, are reported after ten seconds", async () => {
  scene = await startScene();
  const alice = await scene.talker("alice", ["one"]);
  await alice.say(610);
  const one = await scene.phone("one", { talkers: [], toneHz: 440 });
  one.leg.say("nothing");
  const silent = async (direction: string): Promise<boolean> =>
    one.facts.some((fact) => fact.type === "media.silent" && fact.direction === direction);
  await eventually(() => silent("fromPhone"), "the silent phone", 15_000);
  await eventually(() => silent("toPhone"), "the silent conference", 15_000);
  expect(one.facts.filter((fact) => fact.type === "media.silent")).toHaveLength(2);
  scene.pool.setKey(one.callId, { identity: "alice", index: 0, key: scene.key("alice") });
  await eventually(
    () => one.facts.some((fact) => fact.type === "media.flowing" && fact.direction === "toPhone"),
    "audio",
  );
});

test("an SFU that refuses the token, or is not there, is an error that holds no token", async () => {
  scene = await startScene();
  const access = await scene.access("one");
  const join = (changes: Partial<typeof access>) =>
    scene!.pool.join({ callId: callId("one"), roomId: scene!.room, access: { ...access, ...changes } }, () => {});
  await expect(join({ token: `${access.token}x` })).rejects.toMatchObject({ code: "SFU_REFUSED", retryable: true });
  await expect(join({ sfuUrl: "ws://127.0.0.1:1" })).rejects.toMatchObject({ code: "SFU_REFUSED" });
  expect(scene.logLines.join("\n")).not.toContain("eyJ");
  // The worker is as good as before.
  await join({});
  await scene.pool.leave(callId("one"));
});
