import { accessSync, constants } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

import {
  launch,
  LIVEKIT_KEY,
  LIVEKIT_SECRET,
  type LabContext,
  logFileOf,
  placeValues,
  repositoryFile,
} from "../context.ts";
import { SESSION_NICENESS } from "../priority.ts";
import { mergeTrees, readYaml, toYaml } from "../overlay.ts";
import { answersHttp } from "../process.ts";

export interface LivekitSip {
  /** LiveKit's HTTP address for the gateway: livekit-server itself, or the stand-in that stands in front of it. */
  url: string;
  which: "real" | "stand-in";
}

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The real livekit-sip of this machine: LIVEKIT_SIP_BIN, or `livekit-sip` on PATH. It cannot be installed from a package registry. */
export const findLivekitSip = (): string | undefined => {
  const named = process.env["LIVEKIT_SIP_BIN"];
  if (named !== undefined && named !== "") {
    if (!isExecutable(named)) throw new Error(`LIVEKIT_SIP_BIN=${named} is not an executable file`);
    return named;
  }
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "livekit-sip"))
    .find(isExecutable);
};

/** livekit/sip.yaml with the lab's overlay. */
const startReal = async (context: LabContext, command: string): Promise<LivekitSip> => {
  const configFile = join(context.folder, "livekit-sip.yaml");
  const shipped = readYaml(repositoryFile("livekit/sip.yaml"));
  const overlay = readYaml(repositoryFile("deploy/lab/overlay/sip.yaml"), placeValues(context));
  await writeFile(configFile, toYaml(mergeTrees(...shipped, ...overlay)));
  await launch(context, {
    name: "livekit-sip",
    command,
    args: ["--config", configFile],
    logFile: logFileOf(context.folder, "livekit-sip"),
    ready: answersHttp(`http://127.0.0.1:${context.ports.livekitSipHealth}/`),
    hint: "compare livekit/sip.yaml and deploy/lab/overlay/sip.yaml with what the log complains about",
    stopGraceMs: 500,
    sessionNiceness: SESSION_NICENESS.carriesAudio,
  });
  return { url: `http://127.0.0.1:${context.ports.livekit}`, which: "real" };
};

/** deploy/lab/livekit-sip: real SIP towards the PBX, a real participant towards the real livekit-server. */
const startStandIn = async (context: LabContext): Promise<LivekitSip> => {
  const { ports } = context;
  const configuration = {
    host: "127.0.0.1",
    listenPort: ports.livekitSipHttp,
    sipPort: ports.livekitSip,
    livekitUrl: `http://127.0.0.1:${ports.livekit}`,
    apiKey: LIVEKIT_KEY,
    apiSecret: LIVEKIT_SECRET,
  };
  await launch(context, {
    name: "livekit-sip",
    command: process.execPath,
    args: [repositoryFile("deploy/lab/livekit-sip/main.ts"), JSON.stringify(configuration)],
    env: { NODE_NO_WARNINGS: "1", NODE_ENV: "production" },
    logFile: logFileOf(context.folder, "livekit-sip"),
    ready: answersHttp(`http://127.0.0.1:${ports.livekitSipHttp}/`),
    hint: "run npm ci; the program is deploy/lab/livekit-sip/main.ts",
    stopGraceMs: 500,
    sessionNiceness: SESSION_NICENESS.carriesAudio,
  });
  return { url: `http://127.0.0.1:${ports.livekitSipHttp}`, which: "stand-in" };
};

/** The real one where it is found, else the stand-in; says loudly which of the two it is. */
export async function startLivekitSip(context: LabContext): Promise<LivekitSip> {
  const binary = findLivekitSip();
  if (binary !== undefined) {
    context.progress(`livekit-sip: the real one, ${binary}`);
    return await startReal(context, binary);
  }
  context.progress(
    "livekit-sip: STAND-IN (no livekit-sip on PATH, LIVEKIT_SIP_BIN not set); its checks say nothing about the real one",
  );
  return await startStandIn(context);
}
