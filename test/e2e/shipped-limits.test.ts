// The one slow test: ten phones in one encrypted call for five minutes, with Synapse's rate limits as deploy/synapse ships them.
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import type { LabMemberProcess } from "../../deploy/lab/member/process.ts";
import { allHear, memberEar, outsideEar } from "../support/e2e/audio.ts";
import { listSfuParticipants } from "../../deploy/lab/sfu-participants.ts";
import { callMemberships, leftOf } from "../support/e2e/leftovers.ts";
import { metric } from "../support/e2e/metrics.ts";
import { CALL_MEMBER, type RoomEvent } from "../support/e2e/rooms.ts";
import { type ApiCall, type Scene, startScene } from "../support/e2e/scene.ts";
import { watchState } from "../support/e2e/state-watch.ts";
import { until } from "../support/e2e/until.ts";

const CALL_MS = 5 * 60_000;
const PHONES = Array.from({ length: 10 }, (_, index) => `+3314050608${index}`);

let scene: Scene;
let roomId: string;
let alice: LabMemberProcess;

beforeAll(async () => {
  scene = await startScene({ rateLimits: "shipped" });
  roomId = await scene.createRoom({ encrypted: true });
  alice = await scene.join(scene.alice, roomId, TONES_HZ.alice);
}, 600_000);
afterAll(async () => {
  await alice?.leave();
  await scene?.stop();
}, 60_000);

/** Everybody hears everybody: each phone's own track at the member, the member at each phone. */
const expectAllHear = (calls: readonly ApiCall[]): Promise<void> =>
  allHear(
    calls.flatMap((call) => [
      [memberEar(alice, call.user_id), TONES_HZ.outside] as const,
      [outsideEar(scene.lab.pbx, call.number), TONES_HZ.alice] as const,
    ]),
  );

const linesWith = async (part: "synapse" | "gateway", pattern: RegExp): Promise<string[]> =>
  (await readFile(scene.lab.log(part), "utf8")).split("\n").filter((line) => pattern.test(line));

test(
  "ten phones in an encrypted call for five minutes: nobody is limited, and no membership is lost",
  async () => {
    const { lab, bob } = scene;
    const calls: ApiCall[] = [];
    // One after the other: ten new ghosts at once are a matter for the benchmarks.
    for (const number of PHONES) {
      calls.push(await scene.addByApi(roomId, number));
      await scene.waitForState(roomId, "active", 30_000);
    }
    await expectAllHear(calls);
    const startedMs = performance.now();

    const lost: RoomEvent[] = [];
    for await (const event of watchState(lab, { roomId, type: CALL_MEMBER, user: bob, untilMs: startedMs + CALL_MS })) {
      if (Object.keys(event.content).length === 0) lost.push(event);
    }
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(CALL_MS);
    expect(lost).toEqual([]);

    const ghosts = calls.map(({ user_id: ghost }) => ghost).sort();
    const members = (await alice.members()).map(({ userId }) => userId);
    expect(members.sort()).toEqual([scene.alice.userId, ...ghosts].sort());
    expect(await callMemberships(lab, roomId, bob)).toHaveLength(PHONES.length + 1);
    expect(await listSfuParticipants(lab.livekit)).toHaveLength(PHONES.length + 1);
    expect((await scene.calls(roomId)).map(({ state }) => state)).toEqual(PHONES.map(() => "active"));
    await expectAllHear(calls);
    for (const direction of ["fromPhone", "toPhone"]) {
      expect(await metric(lab, "call_silent_total", { direction })).toBe(0);
    }
    expect(await metric(lab, "media_keys_undelivered_total")).toBe(0);
    expect(await metric(lab, "workers_restarted_total")).toBe(0);

    const hungUp = calls.map(({ call_id: id }) => lab.gateway.api("DELETE", `/api/v1/calls/${id}`));
    expect((await Promise.all(hungUp)).map(({ status }) => status)).toEqual(PHONES.map(() => 200));
    let seen: string[] = [];
    await until(
      "nothing to be left of the phones",
      async () => {
        seen = (await Promise.all(ghosts.map((ghost) => leftOf(lab, { roomId, ghost, witness: bob })))).flat();
        return seen.length === 0 ? true : undefined;
      },
      { seen: () => seen },
    );
    // Of the whole time, beginning and end included.
    expect((await linesWith("synapse", /B 200 "/)).length).toBeGreaterThan(500);
    expect(await linesWith("synapse", /B 429 "|SynapseError: 429|M_LIMIT_EXCEEDED/)).toEqual([]);
    expect(await linesWith("gateway", /M_LIMIT_EXCEEDED|Too Many Requests|[[(]429[\])]|\b429 M_/)).toEqual([]);
  },
  CALL_MS + 180_000,
);
