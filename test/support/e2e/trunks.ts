/** Trunks that lead nowhere. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";

import type { Lab } from "../../../deploy/lab/lab.ts";
import { until } from "./until.ts";

/** Asterisk asks the other side whether it is there (OPTIONS, `qualify_frequency`); a side that is not gets no calls. */
const untilKnownAsAway = async ({ trunkPeer }: Lab, endpoint: string): Promise<void> => {
  await trunkPeer.cli(`pjsip qualify ${endpoint}`);
  await until(`Asterisk to know that the other side of ${endpoint} is away`, async () =>
    (await trunkPeer.cli("pjsip show contacts"))
      .split("\n")
      // Not of another endpoint whose name begins alike.
      .some((line) => line.includes(`${endpoint}-aor/`) && /Unavail/.test(line))
      ? true
      : undefined,
  );
};

/** Adds an endpoint to the gateway's Asterisk whose PBX does not exist. */
export const addDeadTrunk = async (lab: Lab, endpoint: string): Promise<void> => {
  const configuration = [
    `[${endpoint}]`,
    "type=endpoint",
    "transport=transport-udp",
    `aors=${endpoint}-aor`,
    "context=from-trunk",
    "disallow=all",
    "allow=alaw",
    `[${endpoint}-aor]`,
    "type=aor",
    // Port 9 (discard): nothing listens, and no lab uses it.
    "contact=sip:127.0.0.1:9",
    "qualify_frequency=30",
  ].join("\n");
  await appendFile(join(lab.folder, "trunk-peer/etc/pjsip.conf"), `\n${configuration}\n`);
  await lab.trunkPeer.cli("module reload res_pjsip.so");
  await untilKnownAsAway(lab, endpoint);
};

/** The PBX is gone, and the gateway's Asterisk has noticed. */
export const killPbx = async (lab: Lab): Promise<void> => {
  await lab.process("pbx").kill();
  await untilKnownAsAway(lab, "xivo");
};
