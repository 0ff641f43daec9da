/** Processes of the stack that tests kill, and how they come back. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

import { installLivekitServer } from "../../../deploy/lab/install/livekit-server.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import { answersHttp, type ServerProcess, startServer } from "../../../deploy/lab/process.ts";
import { metric } from "./metrics.ts";
import { until } from "./until.ts";

const childrenOf = async (pid: number): Promise<number[]> => {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
};

/** Sockets that a process has open: a worker that carries a call has those of the SFU and of the leg, a spare one only its pipe. */
const openSockets = async (pid: number): Promise<number> => {
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all((await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => "")));
  return links.filter((link) => link.startsWith("socket:")).length;
};

/** The media worker that carries the only call of the gateway. */
const workerWithCall = async (lab: Lab): Promise<number> => {
  const workers = await childrenOf(lab.gateway.process().pid);
  const sockets = await Promise.all(workers.map(async (pid) => ({ pid, count: await openSockets(pid) })));
  const [busiest, next] = sockets.sort((a, b) => b.count - a.count);
  if (busiest === undefined || busiest.count === next?.count) {
    throw new Error(`no media worker stands out: ${JSON.stringify(sockets)}`);
  }
  return busiest.pid;
};

/** Kills that worker; resolves when the gateway has noticed, so that what is heard from then on is the new one's. */
export const killWorkerWithCall = async (lab: Lab): Promise<void> => {
  const before = await metric(lab, "workers_restarted_total");
  process.kill(await workerWithCall(lab), "SIGKILL");
  await until("the gateway to replace its media worker", async () =>
    (await metric(lab, "workers_restarted_total")) > before ? true : undefined,
  );
};

/** Kills livekit-server and starts it again with the same configuration and ports. The new one has to be stopped by the caller. */
export const restartLivekit = async (lab: Lab): Promise<ServerProcess> => {
  await lab.process("livekit").kill();
  return startServer({
    name: "livekit",
    command: await installLivekitServer(() => {}),
    args: ["--config", join(lab.folder, "livekit.yaml")],
    logFile: lab.log("livekit"),
    ready: answersHttp(lab.livekit.httpUrl),
    hint: "it ran with this configuration a moment ago",
    stopGraceMs: 300,
  });
};
