/** Hours of calls: twenty phones in one conference, each minute the oldest leaves and a new one comes. */
import { setTimeout as delay } from "node:timers/promises";
import type { Call } from "../call.ts";
import { nowMs } from "../../lab/member/hearing.ts";
import { filesOf, memberships, participants, sipResources } from "../leftovers.ts";
import { cpuSeconds, residentMb } from "../processes.ts";
import { startGatewayStage } from "../gateway-stage.ts";
import { median } from "../stats.ts";

const PHONES = 20;
const MINUTE_MS = 60_000;
/** Memory is flat when the last quarter has not more of it than the second, but for this: the first one warms up. */
const FLAT_WITHIN = 1.1;

/** Memory of the last quarter of the minutes ÷ that of the second one; 1 of a soak too short to tell. */
export const growthOf = (megabytes: readonly number[]): number => {
  const quarter = Math.floor(megabytes.length / 4);
  if (quarter === 0) return 1;
  return median(megabytes.slice(-quarter)) / median(megabytes.slice(quarter, 2 * quarter));
};

/** Prints one line a minute; resolves with the exit code: 1 when something is left at the end, or memory has grown. */
export const soak = async (minutes: number, progress: (line: string) => void): Promise<number> => {
  await using stage = await startGatewayStage({ engine: "asterisk", progress });
  const add = async () => {
    const call = await stage.call({ ringMs: 0 });
    await call.heardByAll();
    return call;
  };
  const calls: Call[] = [];
  while (calls.length < PHONES) calls.push(await add());
  const memory: { readonly gateway: number[]; readonly workers: number[] } = { gateway: [], workers: [] };
  for (let minute = 1; minute <= minutes; minute++) {
    const pids = stage.allPids();
    const [startedAtMs, before] = [nowMs(), cpuSeconds(pids)];
    await delay(MINUTE_MS);
    const cpu = (cpuSeconds(pids) - before) / ((nowMs() - startedAtMs) / 1000);
    const { gateway, worker } = filesOf(stage);
    memory.gateway.push(residentMb([stage.gatewayPid()]));
    memory.workers.push(residentMb(stage.workerPids()));
    progress(
      `minute ${minute}: ${((cpu * 100) / PHONES).toFixed(2)} % of a core per phone, gateway ${memory.gateway.at(-1)!.toFixed(0)} MB, ` +
        `workers ${memory.workers.at(-1)!.toFixed(0)} MB, files ${gateway} and ${worker}`,
    );
    await calls.shift()!.end();
    calls.push(await add());
  }
  await Promise.all(calls.map((call) => call.end()));
  await delay(2000);
  const left = [...(await memberships(stage)), ...(await participants(stage)), ...(await sipResources(stage))];
  for (const thing of left) progress(`LEFT: ${thing}`);
  const growth = { gateway: growthOf(memory.gateway), workers: growthOf(memory.workers) };
  progress(`memory, last quarter ÷ second: gateway ${growth.gateway.toFixed(2)}, workers ${growth.workers.toFixed(2)}`);
  const isFlat = growth.gateway <= FLAT_WITHIN && growth.workers <= FLAT_WITHIN;
  if (!isFlat) progress("GROWN: memory is not flat");
  return left.length === 0 && isFlat ? 0 : 1;
};
