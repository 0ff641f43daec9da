import { join } from "node:path";

import { LIVEKIT_KEY, LIVEKIT_SECRET, type LabContext, launch, logFileOf, repositoryFile } from "../context.ts";
import { answersHttp } from "../process.ts";

/** The lab's own token service, in a process of its own like the real one. */
export async function startTokenService(context: LabContext): Promise<void> {
  const { ports } = context;
  await launch(context, {
    name: "token-service",
    command: process.execPath,
    args: [repositoryFile("deploy/lab/token-service/main.ts")],
    env: {
      NODE_NO_WARNINGS: "1",
      // Synapse's certificate is self-signed: trust exactly that one.
      NODE_EXTRA_CA_CERTS: join(context.folder, "certificates/server.crt"),
      TOKEN_SERVICE_PORT: String(ports.tokenService),
      TOKEN_SERVICE_HOMESERVERS: `127.0.0.1:${ports.synapseTls}`,
      LIVEKIT_URL: `ws://127.0.0.1:${ports.livekit}`,
      LIVEKIT_KEY,
      LIVEKIT_SECRET,
    },
    logFile: logFileOf(context.folder, "token-service"),
    ready: answersHttp(`http://127.0.0.1:${ports.tokenService}/healthz`),
    hint: "run npm ci; the program is deploy/lab/token-service/main.ts",
    stopGraceMs: 500,
  });
}
