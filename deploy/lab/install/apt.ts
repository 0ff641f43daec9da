import { existsSync } from "node:fs";

import { type Progress, timed } from "../cache.ts";
import { withLock } from "../lock.ts";
import { outputOf, runInstall } from "./command.ts";

const APT_ENV = { DEBIAN_FRONTEND: "noninteractive" };

/**
 * Makes sure a file of a Debian package is there (`file` is what the lab will use of it), with apt-get when it is not.
 * Recommended packages and services are left out; `apt-get update` runs only when apt does not know the package.
 */
export async function ensureDebianPackage(name: string, file: string, progress: Progress): Promise<string> {
  if (existsSync(file)) return file;
  return withLock("apt", async () => {
    if (existsSync(file)) return file;
    await timed(`apt-get install ${name}`, progress, async () => {
      if (!(await knows(name))) await aptGet("update");
      await aptGet("install", "-y", "--no-install-recommends", name).catch(async () => {
        // The package list may be older than the mirror, which then no longer has the file named in it.
        await aptGet("update");
        await aptGet("install", "-y", "--no-install-recommends", name);
      });
    });
    if (!existsSync(file)) throw new Error(`Debian package ${name} was installed but has no ${file}`);
    return file;
  });
}

async function knows(name: string): Promise<boolean> {
  const policy = await outputOf("apt-cache", ["policy", name]);
  return policy !== undefined && /Candidate: (?!\(none\))/.test(policy);
}

async function aptGet(...args: string[]): Promise<void> {
  const root = process.getuid?.() === 0;
  const command = [...(root ? [] : ["sudo", "-n"]), "apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
  await runInstall(command[0]!, command.slice(1), {
    env: APT_ENV,
    hint: `run "${["sudo apt-get", ...args].join(" ")}" by hand and look at what it says; Debian 12 or later, as root or with sudo`,
  });
}
