import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";

import { launch, LIVEKIT_KEY, LIVEKIT_SECRET, type LabContext, logFileOf, repositoryFile } from "../context.ts";
import { SESSION_NICENESS } from "../priority.ts";
import { answersHttp, type ServerProcess } from "../process.ts";
import { mergeTrees } from "../overlay.ts";
import { findLivekitSip } from "./livekit-sip.ts";

/** The trunk that takes the lab's calls: one of the three of sip-trunks/xivo, or the one of livekit-sip. */
export type LabTrunk = "xivo" | "xivo-registered" | "xivo-tls" | "livekit-sip";

export interface GatewayOptions {
  /** Default: `xivo`. */
  trunk?: LabTrunk;
  /** Merged over the lab's configuration: mappings key by key, lists replaced, null removes. */
  config?: Record<string, unknown>;
  /** API tokens beside the lab's own, which is named "lab". */
  apiTokens?: readonly { name: string; token: string }[];
}

export interface LabGateway {
  configFile: string;
  apiUrl: string;
  apiToken: string;
  botUserId: string;
  /** `@tel_...` of a canonical number. */
  ghost(number: string): string;
  process(): ServerProcess;
  /** Starts the gateway again with the same configuration and store, after it was stopped or killed. */
  restart(): Promise<void>;
  /** The same with changes to the configuration, merged as in GatewayOptions. */
  reconfigure(changes: Record<string, unknown>): Promise<void>;
  /** A request with the lab's token; resolves with status and parsed body. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  metrics(): Promise<string>;
}

const main = repositoryFile("src/main.ts");
/** As in deploy/systemd: V8 would let more than 100 MB of garbage pile up while phones join, and keep them. */
const MEMORY = ["--max-semi-space-size=4", "--heap-growing-percent=20"] as const;
const BOT_LOCALPART = "phone";

const folderOf = (context: LabContext): string => join(context.folder, "gateway");
const configFileOf = (context: LabContext): string => join(folderOf(context), "gateway.yaml");
const serverNameOf = (context: LabContext): string => `127.0.0.1:${context.ports.synapseTls}`;

const trunkOf = (trunk: LabTrunk, context: LabContext): Record<string, unknown> => {
  const common = {
    name: trunk,
    routes: [{ class: "internal" }, { class: "national" }, { class: "international" }, { class: "premium" }],
    caller_id: { default: "+33140506000" },
    inbound: { trusted: true },
  };
  return trunk === "livekit-sip"
    ? {
        ...common,
        engine: "livekit-sip",
        livekit_sip: { address: `127.0.0.1:${context.ports.pbxSip}`, numbers: ["+33140506000"] },
      }
    : { ...common, engine: "asterisk", asterisk: { endpoint: trunk } };
};

const configOf = (context: LabContext, options: GatewayOptions, apiToken: string): Record<string, unknown> => {
  const { ports } = context;
  const trunk = options.trunk ?? "xivo";
  const config = {
    homeserver: {
      url: `http://127.0.0.1:${ports.synapse}`,
      server_name: serverNameOf(context),
      registration_file: "registration.yaml",
    },
    appservice: { listen: { port: ports.gatewayAppservice } },
    bot: { localpart: BOT_LOCALPART },
    api: {
      listen: { port: ports.gatewayApi },
      tokens: [{ name: "lab", token: apiToken }, ...(options.apiTokens ?? [])],
    },
    numbering: { country: "FR", extensions: ["1XXX"] },
    policy: {
      rules: [
        {
          users: [`@alice:${serverNameOf(context)}`, `@bob:${serverNameOf(context)}`],
          classes: ["internal", "national"],
        },
        { tokens: ["lab"], classes: ["internal", "national"] },
      ],
    },
    trunks: [trunkOf(trunk, context)],
    store: { path: "gateway.db" },
    ...(trunk === "livekit-sip"
      ? {
          livekit_sip: {
            url: `http://127.0.0.1:${findLivekitSip() === undefined ? ports.livekitSipHttp : ports.livekit}`,
            api_key: LIVEKIT_KEY,
            api_secret: LIVEKIT_SECRET,
          },
        }
      : {
          asterisk: {
            url: `http://127.0.0.1:${ports.trunkPeerHttp}/ari`,
            username: "gateway",
            password: "lab-ari",
          },
        }),
  };
  return mergeTrees(config, options.config ?? {});
};

/**
 * What an administrator does before the homeserver starts: write the configuration, run `registration`, and give the file
 * to the homeserver.
 */
export async function prepareGateway(context: LabContext, options: GatewayOptions): Promise<{ apiToken: string }> {
  const apiToken = randomBytes(24).toString("hex");
  await mkdir(folderOf(context), { recursive: true });
  await writeFile(configFileOf(context), stringify(configOf(context, options, apiToken)), { mode: 0o600 });
  await promisify(execFile)(process.execPath, [main, "registration", "--config", configFileOf(context)]);
  context.registrationFiles.push(join(folderOf(context), "registration.yaml"));
  return { apiToken };
}

/** The gateway itself, as a process of its own. */
export async function startGateway(context: LabContext, { apiToken }: { apiToken: string }): Promise<LabGateway> {
  const apiUrl = `http://127.0.0.1:${context.ports.gatewayApi}`;
  const start = (): Promise<ServerProcess> =>
    launch(context, {
      name: "gateway",
      command: process.execPath,
      args: [...MEMORY, main, "start", "--config", configFileOf(context)],
      env: { NODE_NO_WARNINGS: "1", NODE_ENV: "production" },
      logFile: logFileOf(context.folder, "gateway"),
      ready: answersHttp(`${apiUrl}/readyz`),
      hint: "the log above names the key or the server that is wrong",
      stopGraceMs: 10_000,
      sessionNiceness: SESSION_NICENESS.makesAudio,
    });
  let server = await start();
  const restart = async (): Promise<void> => {
    await server.stop();
    server = await start();
  };
  return {
    configFile: configFileOf(context),
    apiUrl,
    apiToken,
    botUserId: `@${BOT_LOCALPART}:${serverNameOf(context)}`,
    ghost: (number) => `@tel_${number}:${serverNameOf(context)}`,
    process: () => server,
    restart,
    reconfigure: async (changes) => {
      const file = configFileOf(context);
      const config = parse(await readFile(file, "utf8")) as Record<string, unknown>;
      await writeFile(file, stringify(mergeTrees(config, changes)), { mode: 0o600 });
      await restart();
    },
    api: async (method, path, body, headers = {}) => {
      const response = await fetch(`${apiUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    metrics: async () => (await fetch(`${apiUrl}/metrics`)).text(),
  };
}
