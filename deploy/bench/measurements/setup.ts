/** How long it takes to set a call up: request, INVITE, answer, first audio both ways. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import { type Measurement, type MeasurementContext, runs, startStage } from "../measurement.ts";
import type { CallRoom, Stage } from "../stage.ts";

const RUNS = 40;
/** js-sdk gives a newcomer the key it has when that is younger than 10 s, else a new one that it uses 1 s later. */
const OLD_KEY_MS = 10_000;
/** Made 1 s before it came into use; the newcomer's membership arrives within another second. */
const YOUNG_KEY_MS = 8000;
/** So many that a key is old when its room has its turn again. */
export const OLD_KEY_ROOMS = 4;
/** The keys are exchanged in that time. */
const RING_MS = 1000;

const waitForKey = async (room: CallRoom, kind: "young" | "old"): Promise<void> => {
  const since = await room.talker.ownKeySinceMs();
  if (since === undefined) return;
  const age = nowMs() - since;
  if (kind === "old") return delay(Math.max(0, OLD_KEY_MS - age));
  if (age <= YOUNG_KEY_MS) return;
  // A call that comes and goes leaves a new key behind.
  const call = await room.call({ ringMs: 0 });
  await call.heardByAll();
  await call.end();
};

/** How long the gateway took to join the SFU, of all its calls so far. */
const sfuConnections = async ({ lab, engine }: Stage): Promise<number[]> => {
  if (engine === "livekit-sip-direct") return [];
  const log = await readFile(lab.log("gateway"), "utf8");
  return [...log.matchAll(/"connectMs":(\d+)/g)].map(([, ms]) => Number(ms));
};

/** A number that rings: how soon audio passes after the answer. */
export const answer: Measurement = {
  bars: ["invite", "answer-in", "answer-out", "sfu-connection"],
  run: async (context) => {
    await using stage = await startStage(context);
    const samples = { invite: [] as number[], "answer-in": [] as number[], "answer-out": [] as number[] };
    const number = "+33199001999";
    for (let i = 0; i < runs(RUNS, context); i++) {
      await waitForKey(stage, "young");
      const call = await stage.call({ ringMs: RING_MS, number });
      const heard = await call.heardByAll();
      samples.invite.push(call.invitedAtMs - call.requestedAtMs);
      samples["answer-in"].push(heard.inConferenceAtMs - call.answeredAtMs);
      samples["answer-out"].push(heard.atPhoneAtMs - call.answeredAtMs);
      context.progress(`answer ${i + 1}: ${last(samples)}`);
      await call.end();
    }
    return { ...samples, "sfu-connection": await sfuConnections(stage) };
  },
};

const freshCalls = async (rooms: readonly CallRoom[], key: "young" | "old", context: MeasurementContext) => {
  const samples = { invite: [] as number[], "fresh-in": [] as number[], [`fresh-out-${key}`]: [] as number[] };
  for (let i = 0; i < runs(RUNS, context); i++) {
    const room = rooms[i % rooms.length]!;
    await waitForKey(room, key);
    const call = await room.call({ ringMs: 0 });
    const heard = await call.heardByAll();
    samples.invite.push(call.invitedAtMs - call.requestedAtMs);
    samples["fresh-in"].push(heard.inConferenceAtMs - call.requestedAtMs);
    samples[`fresh-out-${key}`]!.push(heard.atPhoneAtMs - call.requestedAtMs);
    context.progress(`new ghost, ${key} key ${i + 1}: ${last(samples)}`);
    await call.end();
  }
  return samples;
};

/** Numbers never called before that answer at once. */
export const fresh: Measurement = {
  bars: ["invite", "fresh-in", "fresh-out-young", "fresh-out-old"],
  run: async (context) => {
    await using stage = await startStage({ ...context, rooms: OLD_KEY_ROOMS });
    const young = await freshCalls([stage], "young", context);
    // Without encryption there are no keys to be young or old.
    if ((await stage.talker.ownKeySinceMs()) === undefined) return young;
    const old = await freshCalls(stage.rooms, "old", context);
    return {
      invite: [...young.invite, ...old.invite],
      "fresh-in": [...young["fresh-in"], ...old["fresh-in"]],
      "fresh-out-young": young["fresh-out-young"]!,
      "fresh-out-old": old["fresh-out-old"]!,
    };
  },
};

const last = (samples: Record<string, number[]>): string =>
  Object.entries(samples)
    .map(([name, values]) => `${name} ${values.at(-1)?.toFixed(0)} ms`)
    .join(", ");
