import { expect, test } from "@jest/globals";
import type { DialRequest, LegFact } from "../../src/calls/ports.ts";
import type { Trunk } from "../../src/calls/trunk.ts";
import { createClaimCalls } from "../../src/claim-call.ts";
import { type E164, trunkId, userId } from "../../src/ids.ts";
import type { LobbyFact } from "../../src/media/lobby-port.ts";
import { parseNumber } from "../../src/numbering/parse.ts";
import { createTestLog } from "../support/log.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const BOB = userId("@bob:example.org");
const EXTENSION = parseNumber("1002", PLAN);
const MEDIA = { kind: "asterisk-websocket", url: "ws://leg", codec: "alaw" } as const;
const XIVO: Trunk = {
  id: trunkId("xivo"),
  engine: "asterisk",
  routes: [{ class: "internal" }],
  dialFormat: "e164",
  callerId: { default: { kind: "number", number: "+33140506000" as E164 } },
  inbound: { country: "FR", isTrusted: true, showsExternalCallers: false },
  language: "fr",
};

const flush = () => new Promise((resolve) => setImmediate(resolve));

const start = (enter: () => Promise<void> = async () => {}) => {
  const asked: string[] = [];
  const dialled: { request: DialRequest; fact: (fact: LegFact) => void }[] = [];
  let inLobby: (fact: LobbyFact) => void = () => {};
  const { log, lines } = createTestLog();
  const calls = createClaimCalls({
    sip: {
      dial: (request, fact) => void dialled.push({ request, fact }),
      hangup: async (_leg, outcome) => void asked.push(`hangup ${outcome}`),
    },
    lobby: {
      enter: (_call, _media, onFact) => {
        inLobby = onFact;
        return enter();
      },
      say: async (_call, recordings) => {
        asked.push(recordings.map(({ language, name }) => `${language}:${name}`).join(" "));
      },
      leave: async () => void asked.push("leave"),
    },
    trunks: [XIVO],
    plan: PLAN,
    log,
  });
  const fact = (fact: LegFact): void => dialled.at(-1)?.fact(fact);
  return { calls, asked, dialled, lines, fact, lobby: (fact: LobbyFact) => inLobby(fact) };
};

const ENDED = { type: "leg.ended", outcome: "no-answer", cause: {}, tryNextTrunk: false } as const;

/** No part of a random id. */
const CODE = "29384756293847562938";

test("the phone is called, told the code twice when it answers, and hung up", async () => {
  const { calls, asked, dialled, lines, fact, lobby } = start();
  calls.speak(EXTENSION, BOB, CODE);
  expect(dialled[0]?.request).toMatchObject({ trunkId: "xivo", dialString: "1002" });
  fact({ type: "leg.mediaReady", media: MEDIA });
  fact({ type: "leg.ringing" });
  await flush();
  expect(asked).toEqual([]);
  fact({ type: "leg.answered" });
  await flush();
  const once = ["fr:claim-code", ...Array.from(CODE, (digit) => `fr:number-${digit}`)].join(" ");
  expect(asked).toEqual([`${once} ${once}`]);
  lobby({ type: "lobby.said", token: 1 });
  await flush();
  expect(asked.slice(1)).toEqual(["leave", "hangup completed"]);
  fact({ ...ENDED, outcome: "completed" });
  await flush();
  expect(asked).toHaveLength(3);
  expect(JSON.stringify(lines)).not.toContain(CODE);
});

test.each<[string, (world: ReturnType<typeof start>) => void, string]>([
  ["does not answer", ({ fact }) => fact(ENDED), "hangup no-answer"],
  ["loses its audio", ({ lobby }) => lobby({ type: "lobby.lost", message: "gone" }), "hangup media-failed"],
])("a phone that %s leaves nothing behind", async (_words, happens, hungUp) => {
  const world = start();
  world.calls.speak(EXTENSION, BOB, "29");
  world.fact({ type: "leg.mediaReady", media: MEDIA });
  happens(world);
  await flush();
  expect(world.asked).toEqual(["leave", hungUp]);
});

test("audio that cannot be connected ends the call", async () => {
  const { calls, asked, fact } = start(async () => {
    throw new Error("no worker");
  });
  calls.speak(EXTENSION, BOB, "29");
  fact({ type: "leg.mediaReady", media: MEDIA });
  fact({ type: "leg.answered" });
  await flush();
  expect(asked).toEqual(["leave", "hangup media-failed"]);
});

test("two are called at a time, and hung up when the gateway stops; a number without a trunk is not called", async () => {
  const { calls, asked, dialled } = start();
  expect(() => calls.speak(parseNumber("+33140506070", PLAN), BOB, "29")).toThrow("No trunk");
  calls.speak(EXTENSION, BOB, "29");
  calls.speak(EXTENSION, BOB, "29");
  expect(() => calls.speak(EXTENSION, BOB, "29")).toThrow(expect.objectContaining({ code: "LIMIT_REACHED" }));
  expect(dialled).toHaveLength(2);
  await calls.close();
  expect(asked.filter((one) => one === "hangup shutdown")).toHaveLength(2);
  calls.speak(EXTENSION, BOB, "29");
  expect(dialled).toHaveLength(3);
});
