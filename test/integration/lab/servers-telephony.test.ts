import { setTimeout as delay } from "node:timers/promises";

import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";

import { dominantFrequency, slice, toneLevels } from "../../../deploy/lab/audio/analysis.ts";
import { toneSamples, TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import { readWav } from "../../../deploy/lab/audio/wav.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { OUTSIDE_NUMBERS } from "../../../deploy/lab/outside-world.ts";
import { until } from "../../support/e2e/until.ts";
import { type AriClient, connectAri, connectMedia } from "./ari-client.ts";

let lab: Lab;
let ari: AriClient;

// Two cores may be shared with browsers and compilers; every wait inside has its own, shorter limit.
jest.setTimeout(60_000);

beforeAll(async () => {
  lab = await startLab({ parts: ["phones", "trunk-peer"] });
  ari = await connectAri(lab.trunkPeer, "lab-test");
}, 600_000);

afterAll(async () => {
  await ari?.[Symbol.asyncDispose]();
  await lab?.stop();
});

/** Seconds of audio that are enough to tell a tone and its level. */
/** A frame lost on a busy machine shifts the peak by some hertz; tones are 160 Hz apart. */
const MAX_OFF_HZ = 20;
const LISTEN_SECONDS = 1;

async function toneAtEndOf(wavFile: string): Promise<{ frequencyHz: number; levelDbfs: number }> {
  const wav = await readWav(wavFile);
  return dominantFrequency(slice(wav, -LISTEN_SECONDS), wav.sampleRateHz);
}

test("a phone calls the other through the PBX, each hears the other's tone, keys arrive", async () => {
  const { "1001": caller, "1002": called } = lab.phones;
  await caller.dial("1002");
  await called.waitForRinging();
  await called.answer();
  await caller.waitForEstablished();
  await called.waitForEstablished();
  await caller.press("15#");
  await called.waitForKeys("15#");
  // The tone stops while keys are sent: this much of it is recorded after them. Real time is what is measured here.
  await delay(LISTEN_SECONDS * 1000 + 300);
  await caller.hangup();
  await called.waitForClosed();
  for (const [phone, tone] of [
    [caller, TONES_HZ["1002"]],
    [called, TONES_HZ["1001"]],
  ] as const) {
    const heard = await toneAtEndOf(await phone.heardWav());
    expect(Math.abs(heard.frequencyHz - tone)).toBeLessThan(MAX_OFF_HZ);
    expect(heard.levelDbfs).toBeGreaterThan(-23);
  }
});

const TRUNKS = ["xivo", "xivo-registered", "xivo-tls"];

/** A PBX that was too busy to answer OPTIONS gets no calls until Asterisk asks again, after 30 s ("Allocation failed"). */
const untilReachable = (trunk: string): Promise<true> =>
  until(
    `Asterisk to reach the PBX over ${trunk}`,
    async () => {
      const contacts = (await lab.trunkPeer.cli("pjsip show contacts")).split("\n");
      const contact = contacts.find((line) => line.includes(`${trunk}-aor/`));
      return contact !== undefined && !contact.includes("Unavail") ? true : undefined;
    },
    { withinMs: 40_000 },
  );

/** Calls `number` over a trunk and answers with the channel of the call and of its audio, bridged. */
async function call(trunk: string, number: string, onAnswer: "bridge" | "none" = "bridge") {
  await untilReachable(trunk);
  const request = { endpoint: `PJSIP/${number}@${trunk}`, app: "lab-test", callerId: "+33240101112" };
  const channel = await ari.request("POST", "/channels", request).catch(async (cause: unknown) => {
    // "Allocation failed" is all that ARI says; the reason is mostly a contact that did not answer OPTIONS.
    throw new Error(`${String(cause)}\n${await lab.trunkPeer.cli("pjsip show contacts")}`, { cause });
  });
  if (onAnswer === "none") return { channel };
  await ari.event("StasisStart", (event) => event.channel?.id === channel.id);
  const media = await ari.request("POST", "/channels/externalMedia", {
    app: "lab-test",
    external_host: "INCOMING",
    transport: "websocket",
    encapsulation: "none",
    connection_type: "server",
    format: "slin16",
  });
  const { value } = await ari.request<{ value: string }>("GET", `/channels/${media.id}/variable`, {
    variable: "MEDIA_WEBSOCKET_CONNECTION_ID",
  });
  const audio = await connectMedia(lab.trunkPeer, value);
  // It can be bridged from then on only, a moment after the connection.
  await ari.event("StasisStart", (event) => event.channel?.id === media.id);
  const bridge = await ari.request("POST", "/bridges", { type: "mixing" });
  await ari.request("POST", `/bridges/${bridge.id}/addChannel`, { channel: `${media.id},${channel.id}` });
  return { channel, audio };
}

test.each(TRUNKS)("trunk %s carries a call: each side hears the other's tone", async (trunk) => {
  const ownTone = 520;
  const { channel, audio } = await call(trunk, "+33140506070");
  const samples = toneSamples({ frequencyHz: ownTone, sampleRateHz: 16_000, levelDbfs: -20, seconds: 1 });
  const heard = await audio!.talk(samples, 75);
  await ari.request("DELETE", `/channels/${channel.id}`);
  await ari.event("ChannelDestroyed", (event) => event.channel?.id === channel.id);
  const levels = toneLevels(heard.subarray(-LISTEN_SECONDS * 16_000), 16_000, [TONES_HZ.outside, ownTone]);
  expect(levels[TONES_HZ.outside]).toBeGreaterThan(-22);
  expect(levels[ownTone]).toBeLessThan(-60);
  const recording = (await lab.pbx.recordings()).at(-1)!;
  expect(recording.number).toBe("+33140506070");
  const atPbx = await toneAtEndOf(recording.heardWav);
  expect(Math.abs(atPbx.frequencyHz - ownTone)).toBeLessThan(MAX_OFF_HZ);
  expect(atPbx.levelDbfs).toBeGreaterThan(-22);
});

test("the registered trunk is logged in at the PBX", async () => {
  await expect(lab.trunkPeer.cli("pjsip show registrations")).resolves.toMatch(
    /xivo-registered-registration\S*\s+xivo-registered-auth\s+Registered/,
  );
});

// What the SIP side sees of each number; ARI's tech_cause is the SIP status.
test.each([
  [OUTSIDE_NUMBERS.busy, 486],
  [OUTSIDE_NUMBERS.declined, 603],
  [OUTSIDE_NUMBERS.unreachable, 404],
  [OUTSIDE_NUMBERS.unavailable, 503],
])("%s ends with SIP status %d", async (number, status) => {
  const { channel } = await call("xivo", number, "none");
  const destroyed = await ari.event("ChannelDestroyed", (event) => event.channel?.id === channel.id);
  expect(destroyed.tech_cause).toBe(status);
});

test("every way to write a number reaches the same subscriber", async () => {
  const forms = ["+33199000200", "33199000200", "0033199000200", "0199000200", "00199000200", "00033199000200"];
  const before = (await lab.pbx.calls()).length;
  const channels = await Promise.all(forms.map(async (form) => (await call("xivo", form, "none")).channel));
  for (const { id } of channels) {
    await ari.event("StasisStart", (event) => event.channel?.id === id);
    await ari.request("DELETE", `/channels/${id}`);
  }
  const calls = (await lab.pbx.calls()).slice(before);
  expect(calls).toEqual(forms.map(() => ({ number: OUTSIDE_NUMBERS.answersAtOnce, from: "+33240101112" })));
});

test("a subscriber hangs up after two seconds, another presses keys", async () => {
  const { channel: brief } = await call("xivo", OUTSIDE_NUMBERS.hangsUpAfterTwoSeconds, "none");
  const { channel: keys } = await call("xivo", OUTSIDE_NUMBERS.pressesKeys, "none");
  await expect(ari.event("ChannelDestroyed", (event) => event.channel?.id === brief.id)).resolves.toMatchObject({
    cause: 16,
  });
  const digits = [];
  for (const digit of "159#") {
    digits.push((await ari.event("ChannelDtmfReceived", (e) => e.channel?.id === keys.id && e.digit === digit)).digit);
  }
  expect(digits.join("")).toBe("159#");
  await ari.request("DELETE", `/channels/${keys.id}`);
});

test("ringing and early media without an answer, until the caller gives up", async () => {
  for (const number of [OUTSIDE_NUMBERS.noAnswer, OUTSIDE_NUMBERS.earlyMedia]) {
    const { channel } = await call("xivo", number, "none");
    const expected = number === OUTSIDE_NUMBERS.noAnswer ? "RINGING" : "PROGRESS";
    const dial = await ari.event("Dial", (e) => e.peer?.id === channel.id && e.dialstatus === expected);
    expect(dial.dialstatus).toBe(expected);
    await ari.request("DELETE", `/channels/${channel.id}`);
  }
});

test("a call from a desk phone reaches the gateway's application with number and name", async () => {
  await using gateway = await connectAri(lab.trunkPeer, "mrtc-sip-gateway");
  await lab.phones["1001"].dial("2000");
  const start = await gateway.event("StasisStart", (event) => event.args?.[0] === "2000");
  expect(start.channel).toMatchObject({ caller: { number: "1001", name: "Desk 1001" } });
  await gateway.request("DELETE", `/channels/${start.channel!.id}`);
  await expect(lab.phones["1001"].waitForClosed()).resolves.toMatch(/^[456]/);
});
