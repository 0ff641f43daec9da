import { join } from "node:path";

import { cachedFolder, type Progress } from "../cache.ts";
import { ensureDebianPackage } from "./apt.ts";
import { runInstall } from "./command.ts";

export const SYNAPSE_VERSION = "1.163.2";

/** Path of a Python that has Synapse. It stays usable after the cache's rename: only `python -m` is used, no script. */
export async function installSynapse(progress: Progress): Promise<string> {
  await ensureDebianPackage("openssl", "/usr/bin/openssl", progress);
  const folder = await cachedFolder(`synapse-${SYNAPSE_VERSION}`, progress, async (target) => {
    const hint = "Python >= 3.10 with venv must be installed (apt-get install python3-venv) and PyPI reachable";
    await runInstall("python3", ["-m", "venv", target], { hint });
    const pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
    await runInstall(join(target, "bin/python"), [...pip, `matrix-synapse==${SYNAPSE_VERSION}`], { hint });
  });
  return join(folder, "bin/python");
}
