import { expect, test } from "@jest/globals";
import type { LegMedia } from "../../../src/calls/ports.ts";
import type { Frame } from "../../../src/media/frame.ts";
import type { Leg, LegEvents } from "../../../src/media/legs/port.ts";
import { createLobby } from "../../../src/media/lobby.ts";
import type { LobbyFact } from "../../../src/media/lobby-port.ts";
import { type Recording, spokenFrames } from "../../../src/media/spoken-prompts.ts";
import { createManualClock } from "../../support/media/manual-clock.ts";

const MEDIA: LegMedia = { kind: "asterisk-websocket", url: "ws://nowhere", codec: "slin16" };
const GOODBYE: Recording = { name: "goodbye", language: "en" };
const MUTED: Recording = { name: "muted", language: "fr" };

const start = () => {
  const clock = createManualClock();
  const facts: [string, LobbyFact][] = [];
  const sent: { samples: number[]; quiet: boolean }[] = [];
  let events: LegEvents | undefined;
  let closed = 0;
  let connect = Promise.withResolvers<Leg>();
  const leg: Leg = {
    format: { codec: "slin", sampleRateHz: 16000 },
    send: (frame: Frame, quiet) => {
      if (frame.codec === "slin") sent.push({ samples: [...frame.samples], quiet });
    },
    takeDropped: () => 0,
    close: async () => {
      closed += 1;
    },
  };
  const lobby = createLobby({
    clock,
    connectLeg: (_, given) => {
      events = given;
      return connect.promise;
    },
    onFact: (callId, fact) => facts.push([callId, fact]),
  });
  return {
    clock,
    lobby,
    facts,
    sent,
    leg,
    closed: () => closed,
    lose: () => events?.onLost("gone"),
    connected: () => connect.resolve(leg),
    refused: () => {
      connect.reject(new Error("refused"));
      connect = Promise.withResolvers();
    },
  };
};

const entered = async () => {
  const world = start();
  const entering = world.lobby.enter("a", MEDIA);
  world.connected();
  await entering;
  return world;
};

test("a phone in the lobby hears silence, then what is said, whole and once, and then silence again", async () => {
  const { lobby, clock, sent, facts } = await entered();
  clock.advance(40);
  lobby.say("a", [MUTED, GOODBYE], 7);
  const words = [MUTED, GOODBYE].flatMap((recording) => spokenFrames(recording, 16000));
  clock.advance(20 * words.length);
  expect(facts).toEqual([]);
  clock.advance(40);
  expect(facts).toEqual([["a", { type: "lobby.said", token: 7 }]]);
  expect(sent).toHaveLength(2 + words.length + 2);
  expect(sent.map(({ quiet }) => quiet)).toEqual([true, true, ...words.map(() => false), true, true]);
  expect(sent.slice(2, -2).map(({ samples }) => samples)).toEqual(words.map((frame) => [...frame]));
});

test("new words take the place of old ones, and nothing is silence; only what was heard to its end is told", async () => {
  const { lobby, clock, sent, facts } = await entered();
  lobby.say("a", [GOODBYE], 1);
  clock.advance(100);
  lobby.say("a", [], 2);
  clock.advance(100);
  expect(sent.map(({ quiet }) => quiet)).toEqual([...Array(5).fill(false), ...Array(5).fill(true)]);
  lobby.say("a", [MUTED], 3);
  clock.advance(20_000);
  expect(facts).toEqual([["a", { type: "lobby.said", token: 3 }]]);
});

test("a phone whose audio is gone is told once, hears nothing and can be told nothing", async () => {
  const { lobby, clock, sent, facts, lose, closed } = await entered();
  lobby.say("a", [GOODBYE], 1);
  clock.advance(20);
  lose();
  clock.advance(10_000);
  expect(sent).toHaveLength(1);
  expect(facts).toEqual([["a", { type: "lobby.lost", message: "gone" }]]);
  expect(() => lobby.say("a", [GOODBYE], 2)).toThrow(expect.objectContaining({ code: "MEDIA_FAILED" }));
  await lobby.leave("a");
  expect(closed()).toBe(0);
});

test("a phone that leaves is closed; its late loss is no news, and the lobby rests", async () => {
  const { lobby, clock, sent, facts, lose, closed } = await entered();
  lobby.say("a", [GOODBYE], 1);
  await lobby.leave("a");
  await lobby.leave("a");
  lose();
  clock.advance(10_000);
  expect([closed(), sent.length, facts.length]).toEqual([1, 0, 0]);
});

test("a phone that leaves while its audio is being connected leaves nothing behind", async () => {
  const { lobby, connected, closed } = start();
  const entering = lobby.enter("a", MEDIA);
  await lobby.leave("a");
  connected();
  await expect(entering).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  expect(closed()).toBe(1);
});

test("a phone whose audio cannot be connected is not in the lobby", async () => {
  const { lobby, refused } = start();
  const entering = lobby.enter("a", MEDIA);
  refused();
  await expect(entering).rejects.toThrow("refused");
  expect(() => lobby.say("a", [GOODBYE], 1)).toThrow(expect.objectContaining({ code: "MEDIA_FAILED" }));
});

test("when the worker ends, all leave", async () => {
  const { lobby, closed } = await entered();
  await lobby.close();
  expect(closed()).toBe(1);
});
