import { symlink } from "node:fs/promises";
import { join } from "node:path";

import { cachedFolder, type Progress } from "../cache.ts";
import { ensureDebianPackage } from "./apt.ts";

/**
 * Path of `redis-server`. Debian's redis-tools carries the server's binary under the name redis-check-rdb (it looks at
 * argv[0]); the package redis-server would add a system service on port 6379, which the lab must not start.
 */
export async function installRedis(progress: Progress): Promise<string> {
  const binary = await ensureDebianPackage("redis-tools", "/usr/bin/redis-check-rdb", progress);
  const folder = await cachedFolder("redis-link-1", progress, (target) =>
    symlink(binary, join(target, "redis-server")),
  );
  return join(folder, "redis-server");
}
