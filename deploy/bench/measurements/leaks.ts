/** 200 calls, five at a time: what is left of them, and whether the workers' memory stays flat because they are replaced in time. */
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import { filesOf, ghostDevices, memberships, type OpenFiles, participants, sipResources } from "../leftovers.ts";
import { type Measurement, runs } from "../measurement.ts";
import { residentMb } from "../processes.ts";
import { mean } from "../stats.ts";
import type { Stage } from "../stage.ts";
import { type GatewayStage, startGatewayStage } from "../gateway-stage.ts";

const CALLS = 200;
const AT_ONCE = 5;
/** So that the workers of 200 calls are replaced several times; 200 joins by default. */
const JOINS_PER_WORKER = 50;
/** Everything of a call is to be gone 2 s after it; kept connections to the homeserver and to Asterisk close within 20 s. */
const GONE_WITHIN_MS = 2000;
const IDLE_CONNECTIONS_MS = 20_000;

const setUpAndTearDown = async (stage: Stage, count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const call = await stage.call({ ringMs: 0 });
      await call.heardByAll();
      await call.end();
      return call.who;
    }),
  );

/** Descriptors more than before, once connections that are only kept for the next request have closed. */
const moreFiles = async (stage: GatewayStage, before: OpenFiles): Promise<number> => {
  for (const endMs = nowMs() + IDLE_CONNECTIONS_MS; ; await delay(500)) {
    const now = filesOf(stage);
    const more = Math.max(0, now.gateway - before.gateway, now.worker - before.worker);
    if (more === 0 || nowMs() > endMs) return more;
  }
};

export const leaks: Measurement = {
  bars: ["left-devices", "left-memberships", "left-participants", "left-sip", "left-files", "worker-growth"],
  run: async (context) => {
    await using stage = await startGatewayStage({
      ...context,
      config: { media: { recycle_after_joins: JOINS_PER_WORKER } },
    });
    await delay(IDLE_CONNECTIONS_MS);
    const before = filesOf(stage);
    const ghosts: string[] = [];
    const workersMb: number[] = [];
    const groups = runs(CALLS / AT_ONCE, context);
    for (let group = 1; group <= groups; group++) {
      ghosts.push(...(await setUpAndTearDown(stage, AT_ONCE)));
      workersMb.push(residentMb(stage.workerPids()));
      context.progress(`${ghosts.length} calls, workers ${workersMb.at(-1)!.toFixed(0)} MB`);
    }
    const quarter = Math.ceil(groups / 4);
    await delay(GONE_WITHIN_MS);
    const left = {
      "left-devices": await ghostDevices(stage, ghosts),
      "left-memberships": await memberships(stage),
      "left-participants": await participants(stage),
      "left-sip": await sipResources(stage),
    };
    for (const [name, things] of Object.entries(left)) {
      if (things.length > 0) context.progress(`${name}: ${things.slice(0, 5).join(", ")}`);
    }
    return {
      ...Object.fromEntries(Object.entries(left).map(([name, things]) => [name, [things.length]])),
      "left-files": [await moreFiles(stage, before)],
      "worker-growth": [mean(workersMb.slice(-quarter)) / mean(workersMb.slice(0, quarter))],
    };
  },
};
