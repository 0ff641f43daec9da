import { rename } from "node:fs/promises";
import { join } from "node:path";

import { cachedFolder, type Progress } from "../cache.ts";
import { runInstall } from "./command.ts";

export const LIVEKIT_SERVER_VERSION = "1.13.5";

/** Path of livekit-server, compiled by the Go tool chain once (about 90 s on two cores). */
export async function installLivekitServer(progress: Progress): Promise<string> {
  const folder = await cachedFolder(`livekit-server-${LIVEKIT_SERVER_VERSION}`, progress, async (target) => {
    await runInstall("go", ["install", `github.com/livekit/livekit-server/cmd/server@v${LIVEKIT_SERVER_VERSION}`], {
      env: { GOBIN: target, CGO_ENABLED: "0" },
      hint: "Go >= 1.24 must be on PATH (it fetches the newer tool chain the module asks for) and the Go module proxy reachable",
    });
    await rename(join(target, "server"), join(target, "livekit-server"));
  });
  return join(folder, "livekit-server");
}
