import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import { setSessionNiceness } from "./priority.ts";

const POLL_MS = 25;

export interface ServerSpec {
  /** The word used in messages and for the log file. */
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Standard output and error go here, appended. */
  logFile: string;
  /** Resolves when the server answers; rejects or hangs otherwise (it is aborted by `signal`). */
  ready: (signal: AbortSignal) => Promise<void>;
  /** Default 30 s. */
  readyTimeoutMs?: number;
  /** What a person can do when it does not start. */
  hint: string;
  /** Time between SIGTERM and SIGKILL, default 5 s. */
  stopGraceMs?: number;
  /** Its share of the processors beside other servers, as `nice` counts it; needs root and autogroups (sched(7)). Default 0. */
  sessionNiceness?: number;
}

export interface ServerProcess {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves when the process is gone, for whatever reason. */
  exited: Promise<void>;
  /** SIGTERM, then SIGKILL to the whole process group; resolves when it is gone. Calling it again is harmless. */
  stop(): Promise<void>;
  /** SIGKILL at once: for tests of crashes. */
  kill(): Promise<void>;
}

/** The last `lines` lines of a log, for an error message. */
export function logTail(file: string, lines = 25): string {
  if (!existsSync(file)) return "(no log was written)";
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

/**
 * Starts a server and waits until it is ready. On failure it is stopped and the error carries the end of its log and the
 * hint. The server gets a process group of its own (Ctrl-C in a terminal must reach only us, we stop things in order)
 * and dies with this process even after a `kill -9` (PR_SET_PDEATHSIG through util-linux' setpriv).
 */
export async function startServer(spec: ServerSpec): Promise<ServerProcess> {
  const log = openSync(spec.logFile, "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", spec.command, ...spec.args], {
    cwd: spec.cwd,
    env: { ...process.env, ...spec.env },
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  if (spec.sessionNiceness !== undefined) setSessionNiceness(child.pid, spec.sessionNiceness);
  const exited = once(child, "exit").then(
    ([code, signal]: unknown[]) => `it exited with ${String(code ?? signal)}`,
    (error: unknown) => `it could not be started: ${String(error)}`,
  );
  const gone = exited.then(() => {});
  const signalGroup = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // ESRCH: the group is already gone.
    }
  };
  const kill = () => {
    signalGroup("SIGKILL");
    return gone;
  };
  const stop = async () => {
    signalGroup("SIGTERM");
    const timer = new AbortController();
    await Promise.race([gone, delay(spec.stopGraceMs ?? 5000, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    await kill();
  };

  const failure = await untilReady(spec, exited);
  if (failure !== undefined) {
    await stop();
    throw new Error(
      `${spec.name} did not start: ${failure}\n--- end of ${spec.logFile}\n${logTail(spec.logFile)}\n--- what to do: ${spec.hint}`,
    );
  }
  return { name: spec.name, pid: child.pid!, logFile: spec.logFile, exited: gone, stop, kill };
}

async function untilReady(spec: ServerSpec, exited: Promise<string>): Promise<string | undefined> {
  const timeoutMs = spec.readyTimeoutMs ?? 30_000;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  const timedOut = once(abort.signal, "abort").then(() => `it was not ready after ${timeoutMs / 1000} s`);
  const ready = spec.ready(abort.signal).then(
    () => undefined,
    (error: unknown) => `its ready check failed: ${String(error)}`,
  );
  const result = await Promise.race([ready, exited, timedOut]);
  clearTimeout(timer);
  abort.abort();
  return result;
}

/** Calls `attempt` every 25 ms until it gives true; errors count as "not yet". */
export async function poll(signal: AbortSignal, attempt: () => Promise<boolean>): Promise<void> {
  while (!signal.aborted) {
    if (await attempt().catch(() => false)) return;
    await delay(POLL_MS);
  }
}

/** Ready check: `url` answers with a status below 500. */
export const answersHttp = (url: string) => (signal: AbortSignal) =>
  poll(signal, async () => (await fetch(url, { signal })).status < 500);

/** Ready check: something accepts TCP connections. */
export const acceptsTcp =
  (port: number, host = "127.0.0.1") =>
  (signal: AbortSignal) =>
    poll(signal, async () => {
      const socket = connect(port, host);
      try {
        await once(socket, "connect");
        return true;
      } finally {
        socket.destroy();
      }
    });
