import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { installLivekitServer } from "../install/livekit-server.ts";
import { type LabContext, launch, logFileOf, placeValues, repositoryFile } from "../context.ts";
import { SESSION_NICENESS } from "../priority.ts";
import { mergeTrees, readYaml, toYaml } from "../overlay.ts";
import { answersHttp } from "../process.ts";

/** livekit-server with livekit/livekit.yaml and the lab's overlay. `webhook`: it tells the lab's gateway of calls. */
export async function startLivekit(context: LabContext, { webhook }: { webhook: boolean }): Promise<void> {
  const command = await installLivekitServer(context.progress);
  const configFile = join(context.folder, "livekit.yaml");
  const shipped = readYaml(repositoryFile("livekit/livekit.yaml"));
  const overlay = readYaml(repositoryFile("deploy/lab/overlay/livekit.yaml"), placeValues(context));
  const told = webhook ? readYaml(repositoryFile("deploy/lab/overlay/livekit-webhook.yaml"), placeValues(context)) : [];
  await writeFile(configFile, toYaml(mergeTrees(...shipped, ...overlay, ...told)));
  await launch(context, {
    name: "livekit",
    command,
    args: ["--config", configFile],
    logFile: logFileOf(context.folder, "livekit"),
    ready: answersHttp(`http://127.0.0.1:${context.ports.livekit}/`),
    hint: "compare livekit/livekit.yaml and deploy/lab/overlay/livekit.yaml with what the log complains about",
    // On SIGTERM it waits for its participants to leave, which the lab's clients may never do.
    stopGraceMs: 300,
    sessionNiceness: SESSION_NICENESS.carriesAudio,
  });
}
