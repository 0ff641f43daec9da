/** Many phones that dial one room at the same second. */
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import { type DialInStage, passes, ROOM_NUMBER, startDialInStage } from "../dial-in-stage.ts";
import { type Measurement, runs } from "../measurement.ts";

const CALLERS = 40;
const ARRIVE_WITHIN_MS = 2000;
/** Apart enough to be told from one another in one window. */
const toneHz = (index: number): number => 400 + 60 * index;

/** Milliseconds from the first INVITE until the phone is heard and hears. Rejects when its call is lost. */
const arrive = async (stage: DialInStage, index: number, startedAtMs: number): Promise<number> => {
  const caller = String(1600 + index);
  const telephone = await stage.dial(caller, ROOM_NUMBER, toneHz(index));
  const ghost = stage.lab.gateway.ghost(caller);
  const passed = await passes(stage, telephone, { ghost, toneHz: toneHz(index), sinceMs: startedAtMs });
  telephone.tone(0);
  return Math.max(passed.in, passed.out);
};

export const crowd: Measurement = {
  bars: ["crowd"],
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startDialInStage(scope, context);
    const count = runs(CALLERS, context);
    const startedAtMs = nowMs();
    const arrivals = await Promise.allSettled(
      Array.from({ length: count }, async (_, index) => {
        await delay((ARRIVE_WITHIN_MS / count) * index);
        return arrive(stage, index, startedAtMs);
      }),
    );
    for (const { reason } of arrivals.filter((arrival) => arrival.status === "rejected")) {
      context.progress(`a call is lost: ${String(reason).split("\n")[0]}`);
    }
    const samples = arrivals.map((arrival) => (arrival.status === "fulfilled" ? arrival.value : Infinity));
    context.progress(`in after ${samples.map((ms) => (ms / 1000).toFixed(1)).join(" ")} s`);
    return { crowd: samples };
  },
};
