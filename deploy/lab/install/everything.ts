import type { Progress } from "../cache.ts";
import { installAsterisk } from "./asterisk.ts";
import { installBaresip } from "./baresip.ts";
import { installChromium } from "./chromium.ts";
import { installLivekitServer } from "./livekit-server.ts";
import { installRedis } from "./redis.ts";
import { installSynapse } from "./synapse.ts";

/** Everything that any part of the lab needs, at the same time; a second run does nothing. */
export async function installEverything(progress: Progress): Promise<void> {
  const installers = [
    installLivekitServer,
    installSynapse,
    installAsterisk,
    installRedis,
    installBaresip,
    installChromium,
  ];
  // All have settled before a failure is reported: otherwise the others would go on behind the error message.
  const results = await Promise.allSettled(installers.map((install) => install(progress)));
  const failure = results.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
}
