// Calls that the PBX sends us, at the real Asterisk: who calls, 180, answer, refusals with their status, and nothing left.
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";

import { dominantFrequency } from "../../../deploy/lab/audio/analysis.ts";
import { TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import { hearInWav } from "../../../deploy/lab/audio/wav-hearing.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { OUTSIDE_NUMBERS } from "../../../deploy/lab/outside-world.ts";
import type { LabPhone } from "../../../deploy/lab/phones/phone.ts";
import { OUTCOME_FACTS, type Outcome } from "../../../src/calls/outcome.ts";
import type { IncomingCall, LegFact } from "../../../src/calls/ports.ts";
import { type LegId, trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import type { AsteriskEngineOptions } from "../../../src/sip/asterisk/options.ts";
import { connectAudio, dialLeg, expectNothingHeld, expectTone, recordingLog } from "./asterisk-support.ts";

jest.setTimeout(20_000);

const { log, lines } = recordingLog();
let lab: Lab;
let phone: LabPhone;
let options: AsteriskEngineOptions;
let engine: AsteriskEngine;
const calls: IncomingCall[] = [];
const came = new EventTarget();

beforeAll(async () => {
  lab = await startLab({ parts: ["phones", "trunk-peer"] });
  phone = lab.phones["1001"];
  options = {
    url: lab.trunkPeer.ariUrl,
    username: lab.trunkPeer.ariUser,
    password: lab.trunkPeer.ariPassword,
    app: "mrtc-sip-gateway",
    allowInsecure: false,
    trunks: new Map([[trunkId("pbx"), { endpoint: "xivo" }]]),
    unusedMediaLimitMs: 1500,
  };
  engine = createAsteriskEngine(options, log);
  engine.onIncoming((call) => {
    calls.push(call);
    came.dispatchEvent(new Event("call"));
  });
  await engine.ready();
  await lab.trunkPeer.cli("pjsip set logger on");
}, 600_000);

afterAll(async () => {
  engine?.close();
  await lab?.stop();
});

afterEach(async () => {
  if (phone.state !== "idle") await phone.hangup();
  await expectNothingHeld(lab.trunkPeer);
});

const dial = async (number: string): Promise<IncomingCall> => {
  const next = once(came, "call", { signal: AbortSignal.timeout(5000) });
  await phone.dial(number);
  await next;
  return calls.at(-1)!;
};

/** Takes the call and writes down its facts. */
const accept = (call: IncomingCall) => {
  const facts: LegFact[] = [];
  const arrived = new EventTarget();
  engine.accept({ legId: call.legId, maxDurationMs: 60_000 }, (fact) => {
    facts.push(fact);
    arrived.dispatchEvent(new Event("fact"));
  });
  const until = async <T extends LegFact["type"]>(type: T, nth = 0): Promise<Extract<LegFact, { type: T }>> => {
    const signal = AbortSignal.timeout(5000);
    for (;;) {
      const found = facts.filter((fact): fact is Extract<LegFact, { type: T }> => fact.type === type)[nth];
      if (found !== undefined) return found;
      await once(arrived, "fact", { signal });
    }
  };
  return { facts, until };
};

const rings = (): Promise<void> =>
  new Promise((resolve) => {
    const stop = phone.on(({ type }) => {
      if (type !== "CALL_RINGING") return;
      stop();
      resolve();
    });
  });

test.each([
  ["8500", "8500", { number: "1001", isHidden: false }],
  ["98500", "8500", { number: "0612345678", isHidden: false }],
  ["78500", "8500", { isHidden: true }],
])("a phone dials %s: the engine tells who calls %s", async (dialled, called, caller) => {
  const call = await dial(dialled);
  expect(call).toMatchObject({ trunkId: "pbx", called, caller });
  await engine.hangup(call.legId, "busy");
  expect(await phone.waitForClosed()).toMatch(/^486/);
});

test("it rings, is answered, both sides hear each other, keys arrive, and the phone hangs up", async () => {
  const call = await dial("8500");
  const ringing = rings();
  const leg = accept(call);
  await ringing;
  const audio = await connectAudio((await leg.until("leg.mediaReady")).media, 520);
  expect(await engine.listLegs()).toEqual([call.legId]);
  expect(phone.state).toBe("calling");
  await engine.answer(call.legId);
  await phone.waitForEstablished();
  expectTone(dominantFrequency(await audio.hear(50), 8000).frequencyHz, TONES_HZ["1001"]);
  await phone.press("6");
  expect(await leg.until("leg.dtmf")).toMatchObject({ digit: "6" });

  await phone.hangup();
  expect(await leg.until("leg.ended")).toEqual({
    type: "leg.ended",
    outcome: "completed",
    cause: { q850: 16 },
    tryNextTrunk: false,
  });
  await audio.closed();
});

test("audio that no worker has taken is made ready anew, before Asterisk gives it up", async () => {
  const call = await dial("8500");
  const leg = accept(call);
  const [first, second] = [await leg.until("leg.mediaReady"), await leg.until("leg.mediaReady", 1)];
  expect(second.media).not.toEqual(first.media);
  const audio = await connectAudio(second.media, 520);
  await engine.answer(call.legId);
  await phone.waitForEstablished();
  expectTone(dominantFrequency(await audio.hear(50), 8000).frequencyHz, TONES_HZ["1001"]);
  await phone.hangup();
  await audio.closed();
  expect(leg.facts.filter(({ type }) => type === "leg.mediaReady")).toHaveLength(2);
});

test("keys arrive as SIP INFO as well", async () => {
  const trunkFile = join(lab.folder, "pbx/etc/trunks/ip-identified.conf");
  const usual = await readFile(trunkFile, "utf8");
  const setTrunk = async (text: string): Promise<void> => {
    await writeFile(trunkFile, text);
    await lab.pbx.cli("module reload res_pjsip.so");
  };
  await setTrunk(usual.replace("dtmf_mode=rfc4733", "dtmf_mode=info"));
  try {
    const call = await dial("8500");
    const leg = accept(call);
    await engine.answer(call.legId);
    await phone.waitForEstablished();
    await phone.press("7");
    expect(await leg.until("leg.dtmf")).toMatchObject({ digit: "7" });
    expect(await readFile(join(lab.folder, "logs/trunk-peer.log"), "utf8")).toMatch(/INFO sip:[^]*?Signal= ?7/);
    await phone.hangup();
  } finally {
    await setTrunk(usual);
  }
});

test("we hang up an answered call", async () => {
  const call = await dial("8500");
  const leg = accept(call);
  await engine.answer(call.legId);
  await phone.waitForEstablished();
  await engine.hangup(call.legId, "removed");
  await phone.waitForClosed();
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "removed" });
});

test.each<[Outcome, boolean]>([
  ["invalid-number", false],
  ["room-unavailable", true],
  ["not-permitted", true],
  ["declined", true],
  ["limit-reached", false],
  ["internal", true],
])("refused as %s (ringing: %s), the phone gets exactly its status", async (outcome, isRinging) => {
  const call = await dial("8500");
  const leg = isRinging ? accept(call) : undefined;
  await leg?.until("leg.mediaReady");
  await engine.hangup(call.legId, outcome);
  await phone.waitForClosed();
  expect(await lastStatusSent()).toBe(OUTCOME_FACTS[outcome].sipStatus);
  expect((await leg?.until("leg.ended"))?.outcome ?? outcome).toBe(outcome);
});

/** At the trunk: to the phone the PBX says what its own dial plan makes of it. */
const lastStatusSent = async (): Promise<number> => {
  const text = await readFile(join(lab.folder, "logs/trunk-peer.log"), "utf8");
  const statuses = [...text.matchAll(/Transmitting SIP response[^]*?SIP\/2\.0 (\d{3})/g)].map(([, status]) =>
    Number(status),
  );
  return statuses.findLast((status) => status >= 300) ?? 0;
};

test("a caller who gives up while it rings", async () => {
  const call = await dial("8500");
  const ringing = rings();
  const leg = accept(call);
  await ringing;
  await phone.hangup();
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "cancelled", tryNextTrunk: false });
  await expect(engine.answer(call.legId)).rejects.toThrow("The caller has hung up");
});

test("a caller who is gone before the call is taken", async () => {
  const call = await dial("8500");
  await phone.hangup();
  await phone.waitForClosed();
  await expectNothingHeld(lab.trunkPeer);
  expect(await accept(call).until("leg.ended")).toMatchObject({ outcome: "cancelled" });
});

const ways = [
  {
    way: "came to us",
    talk: async (): Promise<LegId> => {
      const { legId } = await dial("8500");
      const leg = accept({ legId } as IncomingCall);
      await connectAudio((await leg.until("leg.mediaReady")).media, 520);
      await engine.answer(legId);
      await phone.waitForEstablished();
      return legId;
    },
  },
  {
    way: "we made",
    talk: async (): Promise<LegId> => {
      const leg = dialLeg(engine, "1001", { trunkId: trunkId("pbx") });
      await connectAudio((await leg.until("leg.mediaReady")).media, 520);
      await phone.waitForRinging();
      await phone.answer();
      await leg.until("leg.answered");
      return leg.id;
    },
  },
];

test.each(ways)(
  "a call that $way is connected with another phone by the PBX, and nothing of it stays here",
  async ({ talk }) => {
    const other = lab.phones["1002"];
    const legId = await talk();
    await engine.press?.(legId, "12#");
    await phone.waitForKeys("12#");
    await engine.transfer?.(legId, "1002");
    await other.waitForRinging();
    await other.answer();
    await hearInWav(() => phone.heardWav(), other.toneHz, { withinMs: 5000 });
    await expectNothingHeld(lab.trunkPeer);
    await phone.hangup();
    await other.waitForClosed();
  },
);

test.each(["the caller", "the number"])(
  "a call that went on to a number is connected with it, until %s hangs up",
  async (who) => {
    const call = await dial("8500");
    const refused = accept(call);
    await refused.until("leg.mediaReady");
    const withoutAudio = { maxDurationMs: 60_000, withoutAudio: true } as const;
    const ends = new EventTarget();
    engine.accept({ legId: call.legId, ...withoutAudio }, ({ type }) => ends.dispatchEvent(new Event(type)));
    const ended = once(ends, "leg.ended", { signal: AbortSignal.timeout(10_000) });
    const number = dialLeg(engine, OUTSIDE_NUMBERS.answersAtOnce, { trunkId: trunkId("pbx"), ...withoutAudio });
    await number.until("leg.answered");
    expect(phone.state).toBe("calling");
    await engine.connect?.(call.legId, number.id);
    await phone.waitForEstablished();
    await hearInWav(() => phone.heardWav(), TONES_HZ.outside, { withinMs: 5000 });
    if (who === "the caller") await phone.hangup();
    else await engine.hangup(call.legId, "completed");
    await ended;
    await engine.hangup(number.id, "completed");
    expect(number.types()).toEqual(["leg.answered", "leg.ended"]);
  },
);

test("a call that goes on to another person is accepted once more, with audio of its own", async () => {
  const call = await dial("8500");
  const first = accept(call);
  const unanswered = await connectAudio((await first.until("leg.mediaReady")).media, 520);
  const second = accept(call);
  const audio = await connectAudio((await second.until("leg.mediaReady")).media, 520);
  unanswered.close();
  await engine.answer(call.legId);
  await phone.waitForEstablished();
  expectTone(dominantFrequency(await audio.hear(50), 8000).frequencyHz, TONES_HZ["1001"]);
  await phone.hangup();
  expect(await second.until("leg.ended")).toMatchObject({ outcome: "completed" });
  expect(first.facts.map(({ type }) => type)).toEqual(["leg.mediaReady"]);
  await audio.closed();
});

test("calls that a dead gateway left are found by their channels and hung up", async () => {
  const call = await dial("8500");
  const leg = accept(call);
  await leg.until("leg.mediaReady");
  await engine.answer(call.legId);
  const next = createAsteriskEngine(options, log);
  await next.ready();
  expect(await next.listLegs()).toEqual([call.legId]);
  await next.hangup(call.legId, "shutdown");
  await phone.waitForClosed();
  await expectNothingHeld(lab.trunkPeer);
  next.close();
  // The first engine takes its application back.
  engine.close();
  engine = createAsteriskEngine(options, log);
  await engine.ready();
});

test("no line of the log holds a number", () => {
  expect(lines.filter((line) => line.includes("0612345678"))).toEqual([]);
});
