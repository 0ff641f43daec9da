import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { callId } from "../../../src/ids.ts";
import type { LobbyFact } from "../../../src/media/lobby-port.ts";
import { createMediaPool, type MediaPool } from "../../../src/media/pool.ts";
import { spokenDurationMs } from "../../../src/media/spoken-prompts.ts";
import { createTestLog } from "../../support/log.ts";
import { type AsteriskMediaServer, startAsteriskMediaServer } from "../../support/media/asterisk-media-server.ts";

let asterisk: AsteriskMediaServer;
let pool: MediaPool;

beforeAll(async () => {
  asterisk = await startAsteriskMediaServer();
  pool = createMediaPool({ log: createTestLog().log });
  await pool.ready();
});
afterAll(async () => {
  await pool.close();
  await asterisk.close();
});

const loudness = (samples: Int16Array): number =>
  20 * Math.log10(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 1) / samples.length) / 32767);

test("a caller in the lobby of a real worker hears the greeting in its language, to the end, and is let go", async () => {
  const call = callId("menu-1");
  const said = Promise.withResolvers<LobbyFact>();
  const url = asterisk.url("menu-1");
  await pool.lobby.enter(call, { kind: "asterisk-websocket", url, codec: "alaw" }, said.resolve);
  const leg = await asterisk.leg("menu-1");
  const greeting = [{ name: "greeting", language: "fr" }] as const;
  const onset = leg.onset();
  const startMs = performance.now();
  await pool.lobby.say(call, greeting, 1);
  await onset;
  expect(await said.promise).toEqual({ type: "lobby.said", token: 1 });
  const tookMs = performance.now() - startMs;
  const durationMs = spokenDurationMs(greeting);
  expect(tookMs).toBeGreaterThan(durationMs - 100);
  expect(tookMs).toBeLessThan(durationMs + 500);
  expect(loudness(leg.heard(1000))).toBeGreaterThan(-32);
  await pool.lobby.leave(call);
  await leg.closed;
});
