import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test } from "@jest/globals";

import { childrenOf, cpuSeconds, openFiles, residentMb, treeOf } from "../../../deploy/bench/processes.ts";

let child: ChildProcess | undefined;

afterEach(async () => {
  if (child === undefined) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  child = undefined;
  await gone;
});

/** A process that prints a line when its work is done, and then waits. */
const start = async (program: string): Promise<number> => {
  child = spawn(process.execPath, ["-e", `${program}; console.log("ready"); setInterval(() => {}, 1000)`]);
  await once(child.stdout!, "data");
  return child.pid!;
};

test("a process tree has the process, its children and theirs", async () => {
  const pid = await start(`require("child_process").spawn("sleep", ["60"])`);
  expect(childrenOf(process.pid)).toContain(pid);
  const [grandchild] = childrenOf(pid);
  expect(treeOf(pid)).toEqual([pid, grandchild]);
  process.kill(grandchild!);
});

test("counts CPU time, memory and open files", async () => {
  const pid = await start(
    `const end = process.cpuUsage().user + 200e3; while (process.cpuUsage().user < end); globalThis.kept = Buffer.alloc(64e6, 1)`,
  );
  expect(cpuSeconds([pid])).toBeGreaterThan(0.18);
  expect(residentMb([pid])).toBeGreaterThan(64);
  expect(openFiles(pid)).toBeGreaterThan(3);
});

test("a process that is gone costs nothing", () => {
  const gone = 2 ** 22 - 1;
  expect([cpuSeconds([gone]), residentMb([gone])]).toEqual([0, 0]);
});
