/** Hours of calls: ten phones in one conference, each minute the oldest leaves and a new one comes. */
import { setTimeout as delay } from "node:timers/promises";
import type { Call } from "../call.ts";
import { nowMs } from "../../lab/member/hearing.ts";
import { filesOf, memberships, participants, sipResources } from "../leftovers.ts";
import { cpuSeconds, residentMb } from "../processes.ts";
import { startGatewayStage } from "../gateway-stage.ts";

const PHONES = 10;
const MINUTE_MS = 60_000;

/** Prints one line a minute; resolves with the exit code: 1 when something is left at the end. */
export const soak = async (minutes: number, progress: (line: string) => void): Promise<number> => {
  await using stage = await startGatewayStage({ engine: "asterisk", progress });
  const add = async () => {
    const call = await stage.call({ ringMs: 0 });
    await call.heardByAll();
    return call;
  };
  const calls: Call[] = [];
  while (calls.length < PHONES) calls.push(await add());
  for (let minute = 1; minute <= minutes; minute++) {
    const pids = stage.allPids();
    const [startedAtMs, before] = [nowMs(), cpuSeconds(pids)];
    await delay(MINUTE_MS);
    const cpu = (cpuSeconds(pids) - before) / ((nowMs() - startedAtMs) / 1000);
    const { gateway, worker } = filesOf(stage);
    progress(
      `minute ${minute}: ${((cpu * 100) / PHONES).toFixed(2)} % of a core per phone, gateway ${residentMb([stage.gatewayPid()]).toFixed(0)} MB, ` +
        `workers ${residentMb(stage.workerPids()).toFixed(0)} MB, files ${gateway} and ${worker}`,
    );
    await calls.shift()!.end();
    calls.push(await add());
  }
  await Promise.all(calls.map((call) => call.end()));
  await delay(2000);
  const left = [...(await memberships(stage)), ...(await participants(stage)), ...(await sipResources(stage))];
  for (const thing of left) progress(`LEFT: ${thing}`);
  return left.length === 0 ? 0 : 1;
};
