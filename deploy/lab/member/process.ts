import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { SESSION_NICENESS, setSessionNiceness } from "../priority.ts";
import type { Answer, Request } from "./child.ts";
import type { LabMember, LabMemberOptions } from "./member.ts";

/** A member in a process of its own: what it costs is not in the caller's figures. */
export interface LabMemberProcess extends LabMember {
  readonly pid: number;
}

type Method = Exclude<keyof LabMember, "userId" | "deviceId" | "identity" | typeof Symbol.asyncDispose>;

const METHODS: readonly Method[] = [
  "join",
  "leaveCall",
  "publishTone",
  "publishBurst",
  "hear",
  "heardSince",
  "recording",
  "members",
  "waitForMember",
  "waitForNoMember",
  "ownKeySinceMs",
  "sendMessage",
  "waitForMessage",
  "invite",
];

const STOP_GRACE_MS = 8000;

/** As startLabMember, in a child process that ends with `leave()`, or with this process. */
export async function spawnLabMember(options: LabMemberOptions): Promise<LabMemberProcess> {
  const child = fork(fileURLToPath(new URL("child.ts", import.meta.url)), {
    // Not the flags of a test runner. rtc-node prints its native log unless this is production.
    execArgv: [],
    env: { ...process.env, NODE_ENV: "production", NODE_NO_WARNINGS: "1" },
    serialization: "advanced",
    // A session of its own, which stands for the machine of a person.
    detached: true,
  });
  setSessionNiceness(child.pid, SESSION_NICENESS.carriesAudio);
  const call = createCaller(child);
  const leave = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    // The answer may be lost with the process: its end is what counts.
    call("leave", []).catch(() => {});
    await gone;
    clearTimeout(timer);
  };
  try {
    const who = (await call("start", [options])) as Pick<LabMember, "userId" | "deviceId" | "identity">;
    const methods = METHODS.map((method) => [method, (...args: unknown[]) => call(method, args)]);
    return {
      ...(Object.fromEntries(methods) as Pick<LabMember, Method>),
      ...who,
      pid: child.pid!,
      leave,
      [Symbol.asyncDispose]: leave,
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function createCaller(child: ChildProcess): (method: string, args: unknown[]) => Promise<unknown> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let next = 0;
  child.on("message", (answer: Answer) => {
    const promise = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("error" in answer) promise?.reject(new Error(answer.error));
    else promise?.resolve(answer.result);
  });
  child.on("exit", (code, signal) => {
    const error = new Error(`the lab member's process ended (${code ?? signal})`);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  return (method, args) => {
    const id = next++;
    const promise = Promise.withResolvers<unknown>();
    waiting.set(id, promise);
    child.send({ id, method, args } satisfies Request, (error) => {
      if (error !== null) promise.reject(error);
    });
    return promise.promise;
  };
}
