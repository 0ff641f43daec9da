/** What processes cost, from /proc (proc(5)). */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

let ticksPerSecond: number | undefined;
const clockTicks = (): number =>
  (ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })));

/** Fields of /proc/PID/stat from the third on (state); undefined when the process is gone. */
const statOf = (pid: number): string[] | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets itself.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
};

export const childrenOf = (pid: number): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => statOf(candidate)?.[1] === String(pid));

/** A process and all that descends from it. */
export const treeOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(treeOf)];

/** User and system time of the processes so far, seconds. Without children that have ended. */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = statOf(pid);
    return stat === undefined ? sum : sum + (Number(stat[11]) + Number(stat[12])) / clockTicks();
  }, 0);

/** Resident memory of the processes together, MB (10^6 bytes). Shared pages count in each. */
export const residentMb = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    try {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
      return sum + (Number(kib) * 1024) / 1e6;
    } catch {
      return sum;
    }
  }, 0);

/** Open file descriptors of one process. */
export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
