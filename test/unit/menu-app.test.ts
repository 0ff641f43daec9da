import { describe, expect, test } from "@jest/globals";
import type { CallerAsSaid, IncomingCall, SipPort } from "../../src/calls/ports.ts";
import { legId, trunkId } from "../../src/ids.ts";
import type { LobbyPort } from "../../src/media/lobby-port.ts";
import { createDesk, createDialin } from "../../src/menu-app.ts";
import { openStore } from "../../src/store/store.ts";
import { createTestLog } from "../support/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { asteriskSection, asteriskTrunk, configFolder, load, minimal, refusal } from "./config/files.ts";

const configWith = (menu: object | undefined, more: object = {}) => ({
  ...minimal(),
  asterisk: asteriskSection(),
  trunks: [asteriskTrunk(), { ...asteriskTrunk(), name: "berlin", inbound: { country: "DE" } }],
  ...(menu === undefined ? {} : { menu }),
  ...more,
});

const dialinOf = (menu: object | undefined) =>
  createDialin({
    config: load(configWith(menu)),
    store: openStore({ path: ":memory:" }),
    metrics: { pinAlarm: () => {} },
    clock: createManualClock(),
    log: createTestLog().log,
  });

const FRENCH: CallerAsSaid = { number: "0612345678", isHidden: false };

/** What a call to this number hears first; undefined: it is no call to the menu. */
const firstWords = async (
  menu: object,
  called: string,
  caller = FRENCH,
  trunk = "xivo",
): Promise<string | undefined> => {
  let ring: (call: IncomingCall) => void = () => {};
  let words: string | undefined;
  const media = { kind: "asterisk-websocket", url: "ws://nowhere", codec: "alaw" } as const;
  const sip: SipPort = {
    onIncoming: (listener) => (ring = listener),
    accept: (_, onFact) => onFact({ type: "leg.mediaReady", media }),
    answer: async () => {},
    dial: () => {},
    hangup: async () => {},
    renewMedia: async () => media,
    press: async () => {},
    transfer: async () => {},
    listLegs: async () => [],
  };
  const lobby: LobbyPort = {
    enter: async () => {},
    say: async (_, recordings) => {
      words = recordings.map(({ language, name }) => `${language}:${name}`).join(" ");
    },
    leave: async () => {},
  };
  const door = { approach: () => undefined };
  const { log } = createTestLog();
  createDesk({
    config: load(configWith(menu)),
    dialin: dialinOf(menu),
    sip,
    lobby,
    door,
    clock: createManualClock(),
    log,
  }).onIncoming(() => {});
  ring({ legId: legId("leg"), trunkId: trunkId(trunk), called, caller });
  await new Promise((resolve) => setImmediate(resolve));
  return words;
};

test("without a menu there is no dial-in", () => {
  expect(dialinOf(undefined)).toBeUndefined();
});

test("people are told the numbers as they read them", () => {
  expect(dialinOf({ numbers: ["+33140506080", "8600"] })?.numbers).toEqual(["+33 1 40 50 60 80", "8600"]);
});

test("new PINs are as long as configured", async () => {
  const { conferences } = dialinOf({ numbers: ["8600"], pin_digits: 10 }) ?? {};
  expect((await conferences?.turnOn("!r:example.org" as never))?.pin).toMatch(/^\d{10}$/);
});

test.each<[string, object, string, CallerAsSaid, string, string | undefined]>([
  ["the number's language", {}, "8600", FRENCH, "xivo", "fr:greeting fr:ask-room"],
  ["a canonical number, dialled nationally", {}, "0140506080", FRENCH, "xivo", "fr:greeting fr:ask-room"],
  ["the trunk's country", {}, "8600", { number: "030123456", isHidden: false }, "berlin", "de:greeting de:ask-room"],
  ["a hidden number", {}, "8600", { ...FRENCH, isHidden: true }, "xivo", "en:greeting en:ask-room"],
  [
    "a broken number",
    { language: "de" },
    "8600",
    { number: "'; --", isHidden: false },
    "xivo",
    "de:greeting de:ask-room",
  ],
  [
    "a choice",
    { language: "ask" },
    "8600",
    { isHidden: false },
    "xivo",
    "en:choose-language fr:choose-language de:choose-language",
  ],
  ["another number", {}, "8601", FRENCH, "xivo", undefined],
  ["another trunk", { trunks: ["berlin"] }, "8600", FRENCH, "xivo", undefined],
])("the menu begins with: %s", async (_, menu, called, caller, trunk, words) => {
  await expect(firstWords({ numbers: ["8600", "+33140506080"], ...menu }, called, caller, trunk)).resolves.toBe(words);
});

describe("mistakes are named", () => {
  const rule = { name: "weekly", numbers: ["8600"], room: "!room:example.org" };
  test.each<[string, object, object, string]>([
    ["a number of a rule", { numbers: ["8600"] }, { dispatch_rules: [rule] }, "weekly takes 8600 from the same trunk"],
    ["no number", { numbers: [] }, {}, "expected at least one number"],
    ["a short PIN", { numbers: ["8600"], pin_digits: 5 }, {}, "expected a whole number from 6 to 16"],
    ["an unknown trunk", { numbers: ["8600"], trunks: ["paris"] }, {}, 'expected the name of a trunk, got "paris"'],
    ["an unknown language", { numbers: ["8600"], language: "it" }, {}, "menu.language"],
  ])("%s", (_, menu, more, words) => {
    expect(refusal(() => load(configWith(menu, more)))).toContain(words);
  });

  test("recordings that cannot be used", () => {
    using folder = configFolder();
    folder.write("de/goodbye.wav", "none");
    expect(() => dialinOf({ numbers: ["8600"], prompts: folder.path })).toThrow(
      /menu\.prompts: .*de\/goodbye\.wav cannot be used/,
    );
  });
});
