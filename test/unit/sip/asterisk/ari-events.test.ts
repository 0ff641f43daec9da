import { expect, test } from "@jest/globals";
import { assert, json, property } from "fast-check";

import { parseAriEvent } from "../../../../src/sip/asterisk/ari-events.ts";

const channel = { id: "gw.leg.phone-00000000", name: "PJSIP/xivo-00000001", state: "Ringing" };
const parse = (event: unknown) => parseAriEvent(JSON.stringify(event));

test("reads what Asterisk 22.10 sends and drops what it does not need", () => {
  const sent = {
    type: "ChannelDestroyed",
    timestamp: "2026-11-21T11:03:21.000+0000",
    cause: 17,
    cause_txt: "User busy",
    tech_cause: 486,
    channel: { ...channel, caller: { name: "", number: "+33140506070" }, language: "en" },
    asterisk_id: "02:fc:00:00:00:01",
    application: "gw",
  };
  expect(parse(sent)).toEqual({
    kind: "event",
    event: { type: "ChannelDestroyed", channel, cause: 17, tech_cause: 486 },
  });
});

test("an event of another type is ignored, whatever it holds", () => {
  expect(parse({ type: "ChannelVarset", channel: 7 })).toEqual({ kind: "ignored" });
  expect(parse({ type: "toString" })).toEqual({ kind: "ignored" });
});

test.each([
  ["not JSON", "{", "not JSON"],
  ["an array", "[]", "no type"],
  ["no type", "{}", "no type"],
  ["no channel", '{"type":"ChannelHold"}', "ChannelHold: channel"],
  [
    "a cause that is text",
    JSON.stringify({ type: "ChannelDestroyed", channel, cause: "17" }),
    "ChannelDestroyed: cause",
  ],
])("%s is malformed", (_, text, problem) => {
  expect(parseAriEvent(text)).toEqual({ kind: "malformed", problem });
});

test("the problem of a malformed key press does not tell the key", () => {
  const text = JSON.stringify({ type: "ChannelDtmfReceived", channel, digit: "98765" });
  expect(parseAriEvent(text)).toEqual({ kind: "malformed", problem: "ChannelDtmfReceived: digit" });
});

test("never throws", () => {
  assert(
    property(json(), (text) => {
      expect(["event", "ignored", "malformed"]).toContain(parseAriEvent(text).kind);
    }),
  );
});
