import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Progress, timed } from "./cache.ts";
import { type LabContext, type LabServer, LIVEKIT_KEY, LIVEKIT_SECRET, logFileOf } from "./context.ts";
import { createHomeserver, type LabHomeserver } from "./homeserver.ts";
import { ensureDebianPackage } from "./install/apt.ts";
import { claimPorts, type LabPorts } from "./ports.ts";
import { createCertificate } from "./servers/certificate.ts";
import type { LabPhone } from "./phones/phone.ts";
import { type GatewayOptions, type LabGateway, prepareGateway, startGateway } from "./servers/gateway.ts";
import { startLivekit } from "./servers/livekit.ts";
import { type LivekitSip, startLivekitSip } from "./servers/livekit-sip.ts";
import { type Pbx, startPbx } from "./servers/pbx.ts";
import { type PhoneNumber, startPhones } from "./servers/phones.ts";
import { startRedis } from "./servers/redis.ts";
import { startSynapse } from "./servers/synapse.ts";
import { startTokenService } from "./servers/token-service.ts";
import { startTrunkPeer, type TrunkPeer } from "./servers/trunk-peer.ts";

/** Every part of the lab with the parts it needs; those are started along with it. */
const PART_NEEDS = {
  redis: [],
  livekit: ["redis"],
  synapse: [],
  "token-service": ["synapse", "livekit"],
  pbx: [],
  "trunk-peer": ["pbx"],
  phones: ["pbx"],
  "livekit-sip": ["livekit", "pbx"],
  gateway: ["synapse", "livekit", "token-service", "pbx", "trunk-peer"],
} as const satisfies Record<string, readonly string[]>;

export type LabPart = keyof typeof PART_NEEDS;
export const LAB_PARTS = Object.keys(PART_NEEDS) as LabPart[];

export interface LabOptions {
  parts: LabPart[];
  /** Where logs and data go; default: a new temporary folder that stop() removes. */
  folder?: string;
  /** Appservice registrations for Synapse. */
  registrationFiles?: string[];
  /** "shipped" leaves Synapse's limits as deploy/synapse/homeserver-matrixrtc.yaml says. Default "lab": raised. */
  rateLimits?: "lab" | "shipped";
  /** Starts what answers at the PBX's SIP port (`ports.pbxSip`) instead of it. */
  inPlaceOfPbx?: (ports: LabPorts) => Promise<void>;
  /** What is different in Synapse's configuration. */
  synapse?: Record<string, unknown>;
  onProgress?: Progress;
  /** For the part "gateway". */
  gateway?: GatewayOptions;
}

/** A running lab. Reading a part that was not started throws and names it. */
export interface Lab extends AsyncDisposable {
  folder: string;
  /** What runs, needs before those that need them. */
  parts: LabPart[];
  ports: LabPorts;
  /** Log file of a part. */
  log(part: LabPart): string;
  readonly homeserver: LabHomeserver;
  readonly livekit: { wsUrl: string; httpUrl: string; apiKey: string; apiSecret: string };
  readonly tokenService: { url: string };
  readonly redis: { address: string };
  readonly pbx: Pbx;
  /** The gateway's own Asterisk. */
  readonly trunkPeer: TrunkPeer;
  readonly phones: Record<PhoneNumber, LabPhone>;
  readonly livekitSip: LivekitSip;
  readonly gateway: LabGateway;
  /** A server's process (a part, or "phone-1001"; the newest one), for tests that stop or kill one. */
  process(name: string): LabServer;
  stop(): Promise<void>;
}

/** The parts with everything they need, in the order of PART_NEEDS (needs come first). */
function withNeeds(parts: LabPart[]): LabPart[] {
  const wanted = new Set<LabPart>();
  const add = (part: LabPart): void => {
    PART_NEEDS[part].forEach(add);
    wanted.add(part);
  };
  parts.forEach(add);
  return LAB_PARTS.filter((part) => wanted.has(part));
}

/**
 * Installs what is missing and starts the servers; they run until stop() or the end of this process. Throws with the end
 * of the log of the server that failed, everything else stopped again and the folder kept.
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const progress = options.onProgress ?? (() => {});
  const { inPlaceOfPbx } = options;
  const parts = withNeeds(options.parts).filter((part) => part !== "pbx" || inPlaceOfPbx === undefined);
  const { ports, release } = await claimPorts();
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "mrtc-lab-")));
  const context: LabContext = {
    folder,
    ports,
    progress,
    rateLimits: options.rateLimits ?? "lab",
    synapse: options.synapse,
    registrationFiles: [...(options.registrationFiles ?? [])],
    servers: [],
  };
  await mkdir(join(folder, "logs"), { recursive: true });

  const stopAll = async () => {
    // The gateway first: it hangs up its calls, for which it needs the others.
    await Promise.all(context.servers.filter(({ name }) => name === "gateway").map((server) => server.stop()));
    await Promise.all(context.servers.map((server) => server.stop()));
    release();
  };
  const stop = async () => {
    await stopAll();
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await inPlaceOfPbx?.(ports);
    return describe(context, await startParts(parts, context, options.gateway ?? {}), stop);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** What starting a part gives, for those that give something. */
type Handles = Partial<{
  pbx: Pbx;
  "trunk-peer": TrunkPeer;
  phones: Record<PhoneNumber, LabPhone>;
  "livekit-sip": LivekitSip;
  gateway: LabGateway;
}> &
  Partial<Record<LabPart, unknown>>;

/** Starts each part as soon as the parts it needs run. */
async function startParts(parts: LabPart[], context: LabContext, gateway: GatewayOptions): Promise<Handles> {
  await ensureDebianPackage("openssl", "/usr/bin/openssl", context.progress);
  await createCertificate(context.folder);
  // Before anything runs, because Synapse reads the registration at its start.
  const prepared = parts.includes("gateway") ? await prepareGateway(context, gateway) : undefined;
  const starters: Record<LabPart, (context: LabContext) => Promise<unknown>> = {
    redis: startRedis,
    livekit: (to) => startLivekit(to, { webhook: parts.includes("livekit-sip") && parts.includes("gateway") }),
    synapse: startSynapse,
    "token-service": startTokenService,
    pbx: async (to) => {
      const pbx = await startPbx(to);
      if (gateway.trunk === "livekit-sip") await pbx.cli("dialplan set global DIALIN livekit-sip");
      return pbx;
    },
    "trunk-peer": startTrunkPeer,
    phones: startPhones,
    "livekit-sip": startLivekitSip,
    gateway: (to) => startGateway(to, prepared!),
  };
  const handles: Handles = {};
  const started = new Map<LabPart, Promise<void>>();
  for (const part of parts) {
    const needs = PART_NEEDS[part].map((need) => started.get(need) ?? Promise.resolve());
    const start = async () => {
      await Promise.all(needs);
      await timed(`start ${part}`, context.progress, async () => {
        Object.assign(handles, { [part]: (await starters[part](context)) ?? {} });
      });
    };
    started.set(part, start());
  }
  // All have settled before the first failure is reported: otherwise one that starts later would not be stopped.
  const results = await Promise.allSettled(started.values());
  const failure = results.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
  return handles;
}

function describe(context: LabContext, handles: Handles, stop: () => Promise<void>): Lab {
  const { folder, ports } = context;
  const started = <P extends LabPart>(part: P): NonNullable<Handles[P]> => {
    const handle = handles[part];
    if (handle === undefined || handle === null) throw new Error(`this lab was started without ${part}`);
    return handle;
  };
  const homeserver = createHomeserver(
    `http://127.0.0.1:${ports.synapse}`,
    `127.0.0.1:${ports.synapseTls}`,
    join(folder, "certificates/server.crt"),
  );
  const livekit = {
    wsUrl: `ws://127.0.0.1:${ports.livekit}`,
    httpUrl: `http://127.0.0.1:${ports.livekit}`,
    apiKey: LIVEKIT_KEY,
    apiSecret: LIVEKIT_SECRET,
  };
  return {
    folder,
    parts: LAB_PARTS.filter((part) => part in handles),
    ports,
    log: (part) => logFileOf(folder, part),
    process: (name) => {
      const server = context.servers.findLast((candidate) => candidate.name === name);
      if (server === undefined) throw new Error(`no server ${name} runs in this lab`);
      return server;
    },
    stop,
    [Symbol.asyncDispose]: stop,
    get homeserver() {
      return started("synapse") && homeserver;
    },
    get livekit() {
      return started("livekit") && livekit;
    },
    get tokenService() {
      return started("token-service") && { url: `http://127.0.0.1:${ports.tokenService}` };
    },
    get redis() {
      return started("redis") && { address: `127.0.0.1:${ports.redis}` };
    },
    get pbx() {
      return started("pbx");
    },
    get trunkPeer() {
      return started("trunk-peer");
    },
    get phones() {
      return started("phones");
    },
    get livekitSip() {
      return started("livekit-sip");
    },
    get gateway() {
      return started("gateway");
    },
  };
}
