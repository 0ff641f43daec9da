/** CPU and memory of phones that talk in one encrypted conference: none, 10 and 15 of them in turn, several times in one run. */
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import type { Call } from "../call.ts";
import { type Measurement, runs, startStage } from "../measurement.ts";
import { cpuSeconds, residentMb } from "../processes.ts";
import type { Stage } from "../stage.ts";

const FEW = 10;
const MANY = 15;
const ROUNDS = 3;
const WINDOW_MS = 15_000;
/** New keys, jitter buffers and queues settle. */
const SETTLE_MS = 3000;
/** Quiet enough that 15 of them together are not clipped. */
const LEVEL_DBFS = -32;

/** Each is heard before the next one is called, and then talks more quietly. */
const addPhones = async (stage: Stage, count: number): Promise<Call[]> => {
  const calls: Call[] = [];
  while (calls.length < count) {
    const call = await stage.call({ ringMs: 0 });
    await call.heardByAll();
    call.phone.tone(600 + 50 * calls.length, LEVEL_DBFS);
    calls.push(call);
  }
  return calls;
};

/** % of a core that the gateway, its workers and the SIP engine take together. */
const cpuPercent = async (stage: Stage): Promise<number> => {
  await delay(SETTLE_MS);
  const pids = stage.allPids();
  const [startedAtMs, before] = [nowMs(), cpuSeconds(pids)];
  await delay(WINDOW_MS);
  return ((cpuSeconds(pids) - before) / ((nowMs() - startedAtMs) / 1000)) * 100;
};

export const cost: Measurement = {
  bars: ["cpu", "cpu-growth", "memory"],
  run: async (context) => {
    await using stage = await startStage(context);
    const samples = { cpu: [] as number[], "cpu-growth": [] as number[], memory: [] as number[] };
    for (let round = 0; round < runs(ROUNDS, context); round++) {
      await delay(SETTLE_MS);
      const emptyMb = residentMb(stage.memoryPids());
      const few = await addPhones(stage, FEW);
      const perPhone = (await cpuPercent(stage)) / FEW;
      const memoryMb = (residentMb(stage.memoryPids()) - emptyMb) / FEW;
      const more = await addPhones(stage, MANY - FEW);
      const perPhoneOfMany = (await cpuPercent(stage)) / MANY;
      samples.cpu.push(perPhone);
      samples["cpu-growth"].push(perPhoneOfMany / perPhone);
      samples.memory.push(memoryMb);
      context.progress(
        `${FEW} phones: ${perPhone.toFixed(2)} % of a core and ${memoryMb.toFixed(1)} MB each; ${MANY} phones: ${perPhoneOfMany.toFixed(2)} %`,
      );
      await Promise.all([...few, ...more].map((call) => call.end()));
    }
    return samples;
  },
};
