import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { freeTcpPort } from "../../../deploy/lab/ports.ts";
import { OUTSIDE_NUMBER } from "../../../deploy/lab/outside-world.ts";
import { trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { checkAsterisk } from "../../../src/sip/asterisk/health.ts";
import type { AsteriskEngineOptions } from "../../../src/sip/asterisk/options.ts";
import { connectAudio, dialLeg, expectNothingHeld, recordingLog } from "./asterisk-support.ts";

jest.setTimeout(20_000);

const { log } = recordingLog();
let lab: Lab;
let options: AsteriskEngineOptions;
let engine: AsteriskEngine;
let scripted: Socket;

/** Timer B (deploy/asterisk/pjsip.conf) and time for what follows on a busy machine; it is 32 s where nobody sets it. */
const NO_REPLY_MS = 6400 + 5000;

/** PJSIP endpoint `name` whose PBX is at `contact`, as an administrator would write it. */
const endpointSection = (name: string, contact: string, aor = ""): string => `
[${name}]
type=endpoint
transport=transport-${/transport=(tcp|tls)/.exec(contact)?.[1] ?? "udp"}
context=from-trunk
disallow=all
allow=alaw
aors=${name}
[${name}]
type=aor
contact=${contact}
${aor}
`;

beforeAll(async () => {
  lab = await startLab({ parts: ["trunk-peer"] });
  scripted = createSocket("udp4").bind(0, "127.0.0.1");
  await once(scripted, "listening");
  const closedPort = await freeTcpPort();
  const sections = [
    `[transport-tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:0\n`,
    endpointSection("scripted", `sip:127.0.0.1:${scripted.address().port}`),
    endpointSection("refused", `sip:127.0.0.1:${closedPort}\\;transport=tcp`),
    endpointSection("refused-tls", `sip:127.0.0.1:${closedPort}\\;transport=tls`),
    endpointSection("offline", `sip:127.0.0.1:${closedPort}`, "qualify_frequency=1\nqualify_timeout=0.5"),
  ];
  await appendFile(join(lab.folder, "trunk-peer/etc/pjsip.conf"), sections.join(""));
  await lab.trunkPeer.cli("module reload res_pjsip.so");
  const names = ["xivo", "xivo-registered", "xivo-tls", "scripted", "refused", "refused-tls", "offline"];
  options = {
    url: lab.trunkPeer.ariUrl,
    username: lab.trunkPeer.ariUser,
    password: lab.trunkPeer.ariPassword,
    app: "mrtc-sip-gateway",
    allowInsecure: false,
    trunks: new Map(names.map((name) => [trunkId(name), { endpoint: name }])),
  };
  engine = createAsteriskEngine(options, log);
  await engine.ready();
}, 600_000);

afterAll(async () => {
  engine?.close();
  scripted?.close();
  await lab?.stop();
});

afterEach(() => expectNothingHeld(lab.trunkPeer));

test.each(["xivo", "xivo-registered", "xivo-tls"])("trunk %s carries a call with audio", async (name) => {
  const leg = dialLeg(engine, OUTSIDE_NUMBER, { trunkId: trunkId(name) });
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, 520);
  await leg.until("leg.answered");
  expect((await audio.hear(25)).some((sample) => Math.abs(sample) > 1000)).toBe(true);
  await engine.hangup(leg.id, "completed");
});

test.each(["refused", "offline"])("trunk %s: the call may take the next one, at once", async (name) => {
  if (name === "offline") await contactIs("offline", "Unavail");
  const startedMs = performance.now();
  const leg = dialLeg(engine, OUTSIDE_NUMBER, { trunkId: trunkId(name) });
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
  expect(performance.now() - startedMs).toBeLessThan(1000);
});

test("a PBX that says nothing: the call may take the next one", async () => {
  const leg = dialLeg(engine, OUTSIDE_NUMBER, { trunkId: trunkId("scripted") });
  const ended = await leg.until("leg.ended", NO_REPLY_MS);
  expect(ended).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true, cause: { sipStatus: 408 } });
});

// About one INVITE in six goes out just after its connection was refused (22.10), and waits for a reply: docs/decisions/0019-silent-pbx.md.
test("a PBX that refuses TLS: every one of twenty calls may take the next one", async () => {
  const legs = Array.from({ length: 20 }, () => dialLeg(engine, OUTSIDE_NUMBER, { trunkId: trunkId("refused-tls") }));
  const ends = await Promise.all(legs.map((leg) => leg.until("leg.ended", NO_REPLY_MS)));
  for (const end of ends) expect(end).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
});

/** Waits for what Asterisk thinks of the PBX behind an endpoint. */
const contactIs = async (name: string, status: string): Promise<void> => {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const contacts = await lab.trunkPeer.cli("pjsip show contacts");
    if (new RegExp(`Contact:\\s+${name}/\\S+\\s+\\S+\\s+${status}`).test(contacts)) return;
    if (performance.now() > deadline) throw new Error(`contact ${name} is not ${status}: ${contacts}`);
  }
};

test("the start-up check tells a PBX that does not answer from one that was not asked yet", async () => {
  await contactIs("offline", "Unavail");
  const failed = (await checkAsterisk(options)).filter(({ ok }) => !ok);
  expect(failed.map(({ text }) => text)).toEqual([
    "trunk offline: the PBX behind PJSIP endpoint offline does not answer OPTIONS",
  ]);
});

/** Answers the next INVITE with these statuses, in order. Resolves with when it came. */
const answerNextInvite = (...statuses: string[]): Promise<number> =>
  new Promise((resolve) => {
    const receive = (message: Buffer, peer: { port: number; address: string }): void => {
      const sip = message.toString();
      if (!sip.startsWith("INVITE ")) return;
      scripted.off("message", receive);
      resolve(performance.now());
      const header = (name: string): string => new RegExp(`^${name}:.*$`, "m").exec(sip)![0];
      for (const status of statuses) {
        const lines = [`SIP/2.0 ${status}`, header("Via"), header("From"), `${header("To")};tag=x`, header("Call-ID")];
        lines.push(header("CSeq"), "Content-Length: 0", "", "");
        scripted.send(lines.join("\r\n"), peer.port, peer.address);
      }
    };
    scripted.on("message", receive);
  });

test.each([
  [["503 Service Unavailable"], { outcome: "trunk-failed", tryNextTrunk: true }],
  [["180 Ringing", "503 Service Unavailable"], { outcome: "trunk-failed", tryNextTrunk: false }],
  [["180 Ringing", "480 Temporarily Unavailable"], { outcome: "no-answer", tryNextTrunk: false }],
  [["480 Temporarily Unavailable"], { outcome: "unreachable", tryNextTrunk: false }],
  [["484 Address Incomplete"], { outcome: "invalid-number", tryNextTrunk: false }],
  [["488 Not Acceptable Here"], { outcome: "media-failed", tryNextTrunk: false }],
])("a PBX that says %s", async (statuses, expected) => {
  const invited = answerNextInvite(...statuses);
  const leg = dialLeg(engine, "1001", { trunkId: trunkId("scripted") });
  await invited;
  const ended = await leg.until("leg.ended");
  expect(ended).toMatchObject(expected);
  expect(ended.cause.sipStatus).toBe(Number(statuses.at(-1)!.slice(0, 3)));
});
