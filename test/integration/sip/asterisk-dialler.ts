// A gateway reduced to its engine, as a process of its own that a test can kill: dials the leg "left-behind", writes every fact.
import { z } from "zod";

import { trunkId, legId } from "../../../src/ids.ts";
import { createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { connectAudio, dialLeg, recordingLog } from "./asterisk-support.ts";

const options = z
  .object({
    ariUrl: z.string(),
    ariUser: z.string(),
    ariPassword: z.string(),
    dialString: z.string(),
    maxDurationMs: z.number(),
  })
  .parse(JSON.parse(process.argv[2] ?? ""));

const engine = createAsteriskEngine(
  {
    url: options.ariUrl,
    username: options.ariUser,
    password: options.ariPassword,
    app: "mrtc-sip-gateway",
    allowInsecure: false,
    trunks: new Map([[trunkId("xivo"), { endpoint: "xivo" }]]),
  },
  recordingLog().log,
);
await engine.ready();
const leg = dialLeg(engine, options.dialString, {
  legId: legId("left-behind"),
  ringTimeoutMs: 1000,
  maxDurationMs: options.maxDurationMs,
});
await connectAudio((await leg.until("leg.mediaReady")).media, 520);
await leg.until("leg.answered");
console.log("leg.answered");
