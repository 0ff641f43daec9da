import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "@jest/globals";

import { openTelephones, type Telephones } from "../../../deploy/bench/phones/telephones.ts";
import { toneSamples } from "../../../deploy/lab/audio/tone.ts";
import { freeTcpPort } from "../../../deploy/lab/ports.ts";
import { createRtpLeg, type RtpLeg, SAMPLES_PER_FRAME } from "../../../deploy/lab/livekit-sip/rtp.ts";
import { formatSip, header, methodOf, parseSip, type SipMessage } from "../../../deploy/lab/livekit-sip/sip-message.ts";

const NUMBER = "+33199001007";

let pbx: Socket;
let pbxPort: number;
let port: number;
let telephones: Telephones;
let rtp: RtpLeg;
let heard: Int16Array[];
let received: SipMessage[];

beforeEach(async () => {
  pbx = createSocket("udp4").bind(0, "127.0.0.1");
  await once(pbx, "listening");
  pbxPort = pbx.address().port;
  port = await freeTcpPort();
  telephones = await openTelephones(port, pbxPort);
  heard = [];
  rtp = await createRtpLeg("127.0.0.1", { onSamples: (samples) => heard.push(samples), onKey: () => {} });
  received = [];
  pbx.on("message", (datagram) => received.push(parseSip(datagram)!));
});

afterEach(() => {
  telephones.close();
  pbx.close();
  rtp.close();
});

const sendToPhone = (method: string, uri: string, to: string, cseq: string, body = ""): void => {
  const headers: [string, string][] = [
    ["Via", `SIP/2.0/UDP 127.0.0.1:${pbxPort};branch=z9hG4bK${cseq.replace(" ", "")}`],
    ["From", '"Conference" <sip:+33140506000@127.0.0.1>;tag=pbx'],
    ["To", to],
    ["Call-ID", "call-1"],
    ["CSeq", cseq],
    ["Contact", `<sip:asterisk@127.0.0.1:${pbxPort}>`],
  ];
  pbx.send(formatSip(`${method} ${uri} SIP/2.0`, headers, body), port, "127.0.0.1");
};

const invite = (number: string, atMs = 1_790_000_000_123): void =>
  sendToPhone("INVITE", `sip:${number}@127.0.0.1:${port};at=${atMs}`, `<sip:${number}@127.0.0.1>`, "1 INVITE", rtp.sdp);

const next = async (startLine: string): Promise<SipMessage> => {
  for (;;) {
    const found = received.find((message) => message.startLine.startsWith(startLine));
    if (found !== undefined) return found;
    await once(pbx, "message");
  }
};

test("answers the expected call, tells when it came to the PBX, talks and hears", async () => {
  const phone = telephones.expect({ number: NUMBER, ringMs: 0, toneHz: 1130 });
  const beforeMs = performance.timeOrigin + performance.now();
  invite(NUMBER);
  const ok = await next("SIP/2.0 200");
  expect(methodOf(ok)).toBe("INVITE");
  expect(header(ok, "to")).toMatch(/;tag=.+/);
  expect(ok.body).toContain("RTP/AVP 8 101");
  expect(await phone.invited).toBe(1_790_000_000_123);
  expect((await phone.answered) - beforeMs).toBeGreaterThanOrEqual(0);

  rtp.connect(ok.body);
  const hearing = phone.hear(610);
  const tone = toneSamples({ frequencyHz: 610, sampleRateHz: 8000, levelDbfs: -12, seconds: 0.1 });
  for (let at = 0; at < tone.length; at += SAMPLES_PER_FRAME) rtp.send(tone.slice(at, at + SAMPLES_PER_FRAME));
  expect((await hearing).levelDbfs).toBeCloseTo(-12, 0);
  expect((await phone.burst({ frequencyHz: 770, durationMs: 40 })).sentAtMs).toBeGreaterThan(beforeMs);
  expect(heard.length).toBeGreaterThan(0);
  expect(heard.every((samples) => samples.length === SAMPLES_PER_FRAME)).toBe(true);
});

test("rings as long as told, and repeats its last answer for a repeated INVITE", async () => {
  telephones.expect({ number: NUMBER, ringMs: 60, toneHz: 0 });
  invite(NUMBER);
  await next("SIP/2.0 180");
  invite(NUMBER);
  await next("SIP/2.0 200");
  expect(received.map(({ startLine }) => startLine)).toEqual([
    "SIP/2.0 180 Ringing",
    "SIP/2.0 180 Ringing",
    "SIP/2.0 200 OK",
  ]);
});

test("says BYE when it hangs up, not before its answer was acknowledged", async () => {
  const first = telephones.expect({ number: NUMBER, ringMs: 0, toneHz: 0 });
  invite(NUMBER);
  await first.answered;
  first.hangUp();
  const ok = await next("SIP/2.0 200");
  // A repeated INVITE is answered after whatever was sent before.
  invite(NUMBER);
  await once(pbx, "message");
  expect(received.map(({ startLine }) => startLine)).toEqual(["SIP/2.0 200 OK", "SIP/2.0 200 OK"]);
  sendToPhone("ACK", `sip:127.0.0.1:${port}`, header(ok, "to"), "1 ACK");
  const bye = await next("BYE");
  expect(bye.startLine).toBe(`BYE sip:asterisk@127.0.0.1:${pbxPort} SIP/2.0`);
  expect(header(bye, "to")).toContain("tag=pbx");
  await first.ended;
});

test("a BYE and a CANCEL of the PBX end the call", async () => {
  const phone = telephones.expect({ number: NUMBER, ringMs: 60_000, toneHz: 0 });
  invite(NUMBER);
  await phone.invited;
  sendToPhone("CANCEL", `sip:${NUMBER}@127.0.0.1:${port}`, `<sip:${NUMBER}@127.0.0.1>`, "1 CANCEL");
  await phone.ended;
  expect(methodOf(await next("SIP/2.0 487"))).toBe("INVITE");
});

test("refuses a call that nobody expects", async () => {
  invite(NUMBER);
  expect(methodOf(await next("SIP/2.0 480"))).toBe("INVITE");
});
