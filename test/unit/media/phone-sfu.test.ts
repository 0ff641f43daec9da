import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";

import type { JoinSession, WorkerFact } from "../../../src/media/ipc.ts";
import type { Leg } from "../../../src/media/legs/port.ts";
import { createListener } from "../../../src/media/listener.ts";
import { createPhone } from "../../../src/media/phone.ts";
import { createPhoneSfu } from "../../../src/media/phone-sfu.ts";
import type { SfuEvents } from "../../../src/media/sfu/port.ts";
import { createTestLog } from "../../support/log.ts";
import { silentSfuClient } from "../../support/media/silent-sfu-client.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A phone whose SFU connections are up at once; `events` are those of its newest connection. */
const createRun = async (g711As: "g711" | "opus" = "g711") => {
  const facts: WorkerFact[] = [];
  const opened: SfuEvents[] = [];
  /** Codec and keys of each connection. */
  const tracks: { codec: string | undefined; keys: number[] }[] = [];
  const nowMs = () => Date.now();
  const phone = createPhone({ nowMs, isHeardHere: () => false, onFact: () => {} });
  const phoneSfu = createPhoneSfu({
    createSfuClient: ({ events, publishes }) => {
      opened.push(events);
      const keys: number[] = [];
      tracks.push({ codec: publishes, keys });
      return { ...silentSfuClient([]), setKey: ({ index }) => keys.push(index) };
    },
    listener: createListener(8000, nowMs),
    wants: () => false,
    usual: { codec: g711As === "opus" ? "opus" : "alaw" },
    g711As,
    nowMs: () => 0,
    log: createTestLog().log,
    onFact: (_callId, fact) => facts.push(fact),
  });
  const session = { callId: "call", identity: "ghost" } as JoinSession;
  await phoneSfu.replace(session, phone);
  return {
    facts,
    events: opened[0] as SfuEvents,
    phoneSfu,
    phone,
    tracks,
    rejoin: () => phoneSfu.replace(session, phone),
    attach: async (format: Leg["format"]) => {
      phone.leg = { format } as Leg;
      await phoneSfu.fitLeg(phone);
    },
  };
};

test("an interruption that lasts makes a new connection be asked for, once", async () => {
  const { facts, events } = await createRun();
  events.onState("interrupted", "interrupted");
  jest.advanceTimersByTime(14_999);
  expect(facts).toEqual([]);
  jest.advanceTimersByTime(60_000);
  expect(facts).toEqual([{ type: "media.sfuLost", message: "the SFU connection was not back within 15 s" }]);
});

test("an interruption that ends is none", async () => {
  const { facts, events } = await createRun();
  events.onState("interrupted", "interrupted");
  jest.advanceTimersByTime(14_999);
  events.onState("connected", "back");
  jest.advanceTimersByTime(60_000);
  expect(facts).toEqual([]);
});

test("a connection that was replaced meanwhile is not missed", async () => {
  const { facts, events, rejoin } = await createRun();
  events.onState("interrupted", "interrupted");
  await rejoin();
  jest.advanceTimersByTime(60_000);
  expect(facts).toEqual([]);
});

test("a connection that is closed is missed at once, and once", async () => {
  const { facts, events } = await createRun();
  events.onState("interrupted", "interrupted");
  events.onState("closed", "the SFU closed the connection");
  jest.advanceTimersByTime(60_000);
  expect(facts).toEqual([{ type: "media.sfuLost", message: "the SFU closed the connection" }]);
});

test("a leg with the track's codec, or the other law, costs no new connection", async () => {
  const { tracks, attach, rejoin } = await createRun();
  await attach({ codec: "alaw" });
  await attach({ codec: "ulaw" });
  expect(tracks.map(({ codec }) => codec)).toEqual(["alaw"]);
  // When it joins again anyway, the leg is known.
  await rejoin();
  expect(tracks.map(({ codec }) => codec)).toEqual(["alaw", "ulaw"]);
});

test("a wideband leg joins the SFU again with Opus, with the key it had, and only once", async () => {
  const { tracks, attach, phone, phoneSfu } = await createRun();
  phoneSfu.setOwnKey(phone, { identity: "ghost", index: 3, key: new Uint8Array(16) });
  await attach({ codec: "slin", sampleRateHz: 16000 });
  await attach({ codec: "slin", sampleRateHz: 16000 });
  expect(tracks).toEqual([
    { codec: "alaw", keys: [3] },
    { codec: "opus", keys: [3] },
  ]);
  await attach({ codec: "alaw" });
  expect(tracks.at(-1)?.codec).toBe("alaw");
});

test("where G.711 goes out as Opus, no leg needs a new connection, and none is published unchanged", async () => {
  const { tracks, attach, rejoin } = await createRun("opus");
  await attach({ codec: "ulaw" });
  await attach({ codec: "slin", sampleRateHz: 16000 });
  await rejoin();
  expect(tracks.map(({ codec }) => codec)).toEqual(["opus", "opus"]);
});
