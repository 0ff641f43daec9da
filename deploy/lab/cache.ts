import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import { withLock } from "./lock.ts";

/** Where one line of progress goes; the caller decides (terminal, test log, nowhere). */
export type Progress = (line: string) => void;

/** Everything the lab downloads or builds lives here, outside git, and is reused by every later run. */
export function cacheRoot(): string {
  // An empty XDG_CACHE_HOME counts as unset (XDG base directory specification).
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(base, "matrixrtc-sip-gateway");
}

/**
 * The folder `name` of the cache, built once. `build` fills a temporary folder that is renamed into place only when it
 * succeeded: a broken download never looks finished, and the name must therefore carry the version.
 */
export async function cachedFolder(
  name: string,
  progress: Progress,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheRoot(), name);
  if (existsSync(folder)) return folder;
  return withLock(`cache ${folder}`, async () => {
    if (existsSync(folder)) return folder;
    const temporary = `${folder}.building`;
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await timed(`install ${name}`, progress, () => build(temporary));
    await rename(temporary, folder);
    return folder;
  });
}

/** Runs `work` between two progress lines, the second with the seconds it took. */
export async function timed<T>(what: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  progress(`${what} ...`);
  const result = await work();
  progress(`${what}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}
