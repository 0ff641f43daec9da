import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Progress } from "./cache.ts";
import type { LabPorts } from "./ports.ts";
import { type ServerProcess, type ServerSpec, startServer } from "./process.ts";

/** What every server of a lab needs to start. */
export interface LabContext {
  folder: string;
  ports: LabPorts;
  progress: Progress;
  rateLimits: "lab" | "shipped";
  synapse: Record<string, unknown> | undefined;
  registrationFiles: string[];
  /** Everything that runs by now, for stopping. */
  servers: LabServer[];
}

export interface LabServer extends ServerProcess {
  /** Starts it once more as it was, on its files and ports, after it was stopped or killed; resolves when it is ready. */
  startAgain(): Promise<void>;
}

/** Starts a server that will be stopped with the lab. */
export async function launch(context: LabContext, spec: ServerSpec): Promise<LabServer> {
  const startAgain = async (): Promise<void> => {
    await launch(context, spec);
  };
  const server = { ...(await startServer(spec)), startAgain };
  context.servers.push(server);
  return server;
}

export const LIVEKIT_KEY = "lab";
export const LIVEKIT_SECRET = "lab-secret-lab-secret-lab-secret-lab";

/** A file of this repository. */
export const repositoryFile = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const logFileOf = (folder: string, name: string): string => join(folder, "logs", `${name}.log`);

/** Values for the places `${lab.name}` of the overlays. */
export function placeValues(context: LabContext): Record<string, string | number> {
  const { ports } = context;
  const values: Record<string, string | number> = {
    folder: context.folder,
    registrationFiles: JSON.stringify(context.registrationFiles),
    livekitKey: LIVEKIT_KEY,
    livekitSecret: LIVEKIT_SECRET,
  };
  for (const [name, port] of Object.entries(ports)) {
    if (typeof port === "number") values[name] = port;
    else if ("start" in port) {
      values[`${name}Start`] = port.start;
      values[`${name}End`] = port.end;
    }
  }
  return values;
}
