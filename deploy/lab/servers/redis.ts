import { installRedis } from "../install/redis.ts";
import { type LabContext, launch, logFileOf } from "../context.ts";
import { acceptsTcp } from "../process.ts";

/** Redis without a file on disk. */
export async function startRedis(context: LabContext): Promise<void> {
  const port = context.ports.redis;
  await launch(context, {
    name: "redis",
    command: await installRedis(context.progress),
    args: ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"],
    logFile: logFileOf(context.folder, "redis"),
    ready: acceptsTcp(port),
    hint: "see the log above",
    stopGraceMs: 1000,
  });
}
