import { installRedis } from "../install/redis.ts";
import { type LabContext, logFileOf } from "../context.ts";
import { acceptsTcp, type ServerProcess, startServer } from "../process.ts";

/** Redis without a file on disk. */
export async function startRedis(context: LabContext): Promise<ServerProcess> {
  const port = context.ports.redis;
  return startServer({
    name: "redis",
    command: await installRedis(context.progress),
    args: ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"],
    logFile: logFileOf(context.folder, "redis"),
    ready: acceptsTcp(port),
    hint: "see the log above",
    stopGraceMs: 1000,
  });
}
