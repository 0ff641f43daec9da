import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";

import { cacheRoot } from "../cache.ts";
import { logTail } from "../process.ts";

export interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** What a person can do when it fails. */
  hint: string;
}

/** Runs an installation command to its end, output into the cache's install.log; throws with the end of that log. */
export async function runInstall(command: string, args: string[], options: CommandOptions): Promise<void> {
  mkdirSync(cacheRoot(), { recursive: true });
  const logFile = join(cacheRoot(), "install.log");
  const log = createWriteStream(logFile, { flags: "a" });
  log.write(`\n$ ${[command, ...args].join(" ")}\n`);
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const result = await once(child, "close").then(
    ([code, signal]: unknown[]) => (code === 0 ? undefined : `exited with ${String(code ?? signal)}`),
    (error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? "is not installed" : error.message),
  );
  log.end();
  await finished(log);
  if (result === undefined) return;
  throw new Error(
    `${command} ${args.slice(0, 3).join(" ")}: ${result}\n--- end of ${logFile}\n${logTail(logFile)}\n--- what to do: ${options.hint}`,
  );
}

/** Output of a short command; undefined when it fails or does not exist. */
export async function outputOf(command: string, args: string[]): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const code = await once(child, "close").then(
    ([exitCode]: unknown[]) => exitCode,
    () => undefined,
  );
  return code === 0 ? output : undefined;
}
