import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGib: number;
  readonly node: string;
}

export const describeMachine = (): Machine => ({
  cores: availableParallelism(),
  processor: cpus()[0]?.model.trim() ?? "unknown",
  memoryGib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
});

/** Load averages of 1, 5 and 15 minutes: a bar that is missed on a busy machine says little. */
export const loadNow = (): string =>
  loadavg()
    .map((load) => load.toFixed(1))
    .join(" ");

/** True when other programs want more than the cores of this machine: then figures say little. */
export const isBusy = (): boolean => loadavg()[0]! > availableParallelism();
