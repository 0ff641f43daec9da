import { randomBytes } from "node:crypto";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { installSynapse } from "../install/synapse.ts";
import { type LabContext, launch, logFileOf, placeValues, repositoryFile } from "../context.ts";
import { readYaml, toYaml } from "../overlay.ts";
import { answersHttp } from "../process.ts";

/** Synapse with deploy/synapse/homeserver-matrixrtc.yaml between the lab's two overlay documents. */
export async function startSynapse(context: LabContext): Promise<void> {
  const python = await installSynapse(context.progress);
  const folder = join(context.folder, "synapse");
  await mkdir(join(folder, "media"), { recursive: true });
  // Synapse's own format: algorithm, key id, seed in unpadded base64. Saves a start with --generate-keys.
  const seed = randomBytes(32).toString("base64").replace(/=+$/, "");
  await writeFile(join(folder, "signing.key"), `ed25519 a_lab ${seed}\n`);
  await copyFile(repositoryFile("deploy/lab/overlay/synapse-log.yaml"), join(folder, "log.yaml"));

  const [own, raisedLimits] = readYaml(repositoryFile("deploy/lab/overlay/synapse.yaml"), placeValues(context));
  const [shipped] = readYaml(repositoryFile("deploy/synapse/homeserver-matrixrtc.yaml"));
  // Synapse itself merges its -c files, top-level key by key, the last one wins: as in an administrator's conf.d.
  const files = {
    "1-shipped": shipped!,
    "2-lab": own!,
    ...(context.rateLimits === "lab" && { "3-limits": raisedLimits! }),
    ...(context.synapse && { "4-different": context.synapse }),
  };
  const args = ["-m", "synapse.app.homeserver"];
  for (const [name, tree] of Object.entries(files)) {
    const file = join(folder, `${name}.yaml`);
    await writeFile(file, toYaml(tree));
    args.push("-c", file);
  }
  await launch(context, {
    name: "synapse",
    command: python,
    args,
    cwd: folder,
    logFile: logFileOf(context.folder, "synapse"),
    ready: answersHttp(`http://127.0.0.1:${context.ports.synapse}/health`),
    readyTimeoutMs: 60_000,
    hint: "a wrong key in a registration file or in deploy/lab/overlay/synapse.yaml is named at the end of the log",
    stopGraceMs: 1500,
  });
}
