import { once } from "node:events";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { timed } from "./cache.ts";
import { installEverything } from "./install/everything.ts";
import { type Lab, LAB_PARTS, type LabPart, startLab } from "./lab.ts";
import { OUTSIDE_NUMBERS } from "./outside-world.ts";
import { listenForPhoneCommands, PHONE_COMMANDS } from "./phones/console.ts";

const HELP = `npm run lab -- [OPTIONS] [PART ...]

Starts the lab's servers on this machine and keeps them running until Ctrl-C. Without PART all but the gateway.
Parts (those a part needs are started with it): ${LAB_PARTS.join(", ")}

  --folder DIR                where data and logs go, new, kept afterwards (default: a temporary one, removed)
  --registration FILE         an appservice registration for Synapse; may be given several times
  --rate-limits lab|shipped   Synapse's limits: raised for tests, or as shipped (default: lab)
  --install                   only installs everything, also what Element Call needs
  --help                      this text
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      folder: { type: "string" },
      registration: { type: "string", multiple: true, default: [] },
      "rate-limits": { type: "string", default: "lab" },
      install: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (values.install) {
    await timed("install everything", console.log, () => installEverything(console.log));
    return;
  }
  const unknown = positionals.find((name) => !(LAB_PARTS as string[]).includes(name));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"\n\n${HELP}`);
  const rateLimits = values["rate-limits"];
  if (rateLimits !== "lab" && rateLimits !== "shipped") throw new Error(`--rate-limits is lab or shipped`);

  const lab = await startLab({
    parts: positionals.length > 0 ? (positionals as LabPart[]) : LAB_PARTS.filter((part) => part !== "gateway"),
    ...(values.folder !== undefined && { folder: fromHere(values.folder) }),
    registrationFiles: values.registration.map(fromHere),
    rateLimits,
    onProgress: console.log,
  });
  console.log(`\n${describeLab(lab)}\n\nCtrl-C stops everything.`);
  const stopListening = lab.parts.includes("phones")
    ? listenForPhoneCommands(lab.phones, lab.pbx.soundsFolder)
    : undefined;
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  stopListening?.();
  console.log("\nstopping ...");
  await lab.stop();
}

/** npm runs us in the repository; a path was typed where the person is. */
const fromHere = (path: string): string => resolve(process.env["INIT_CWD"] ?? ".", path);

/** Addresses of what runs. */
function describeLab(lab: Lab): string {
  const facts: Record<LabPart, () => string[]> = {
    redis: () => [`redis          ${lab.redis.address}`],
    livekit: () => [
      `livekit        ${lab.livekit.wsUrl}  (key ${lab.livekit.apiKey}, secret ${lab.livekit.apiSecret})`,
    ],
    synapse: () => [`homeserver     ${lab.homeserver.url}  (server name ${lab.homeserver.serverName})`],
    "token-service": () => [`token service  ${lab.tokenService.url}`],
    pbx: () => [
      `PBX            sip:${lab.pbx.sipAddress}  answers any number; special ones:`,
      ...Object.entries(OUTSIDE_NUMBERS).map(([name, number]) => `                 ${number} ${name}`),
    ],
    "trunk-peer": () => [
      `trunk peer     ${lab.trunkPeer.ariUrl}  (user ${lab.trunkPeer.ariUser}, password ${lab.trunkPeer.ariPassword})`,
    ],
    "livekit-sip": () => [`livekit-sip    ${lab.livekitSip.url}  (${lab.livekitSip.which})`],
    gateway: () => [`gateway        ${lab.gateway.apiUrl}  (token ${lab.gateway.apiToken})`],
    phones: () => [`phones         ${Object.keys(lab.phones).join(", ")}`, "", PHONE_COMMANDS],
  };
  const lines = lab.parts.flatMap((part) => facts[part]());
  return [`logs           ${lab.folder}/logs`, ...lines].join("\n");
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
