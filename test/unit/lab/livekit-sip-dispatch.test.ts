// The stand-in decides as livekit-server does (sip/sip.go of livekit/protocol).
import { describe, expect, test } from "@jest/globals";
import {
  SIPDispatchRule,
  SIPDispatchRuleIndividual,
  SIPDispatchRuleInfo,
  SIPInboundTrunkInfo,
} from "@livekit/protocol";

import { evaluate, type InboundCall, matchRule, matchTrunk } from "../../../deploy/lab/livekit-sip/dispatch.ts";

const call = (changes: Partial<InboundCall> = {}): InboundCall => ({
  sourceAddress: "192.0.2.10",
  from: { user: "1001", host: "192.0.2.10" },
  called: "8500",
  ...changes,
});
const trunk = (sipTrunkId: string, fields: Partial<SIPInboundTrunkInfo> = {}): SIPInboundTrunkInfo =>
  new SIPInboundTrunkInfo({ sipTrunkId, ...fields });
const rule = (sipDispatchRuleId: string, fields: Partial<SIPDispatchRuleInfo> = {}): SIPDispatchRuleInfo =>
  new SIPDispatchRuleInfo({ sipDispatchRuleId, ...fields });

describe("the trunk", () => {
  test.each([
    [["192.0.2.10"], true],
    [["192.0.2.0/24"], true],
    [["198.51.100.0/24", "192.0.2.10"], true],
    [["198.51.100.7"], false],
    [["pbx.example.org"], false],
  ])("addresses %j: %j", (allowedAddresses, isTaken) => {
    expect(matchTrunk([trunk("one", { allowedAddresses })], call())?.sipTrunkId === "one").toBe(isTaken);
  });

  test("the called number's own trunk comes before the one for all; a plus makes no difference", () => {
    const trunks = [trunk("all"), trunk("number", { numbers: ["+8500"] })];
    expect(matchTrunk(trunks, call())?.sipTrunkId).toBe("number");
    expect(matchTrunk(trunks, call({ called: "8501" }))?.sipTrunkId).toBe("all");
    expect(() => matchTrunk([trunk("a"), trunk("b")], call())).toThrow("Multiple");
  });
});

test("a rule without trunk ids takes calls that came over no trunk; one with them only those of its trunk", () => {
  const ours = rule("ours", { trunkIds: ["one"] });
  expect(matchRule([ours], undefined, call())).toBeUndefined();
  expect(matchRule([ours], trunk("two"), call())).toBeUndefined();
  expect(matchRule([rule("open"), ours], trunk("one"), call())).toBe(ours);
  expect(matchRule([rule("open"), ours], undefined, call())?.sipDispatchRuleId).toBe("open");
});

test("an individual rule makes a room for each call, and the caller its identity", () => {
  const individual = rule("r", {
    attributes: { "mrtc.trunk": "pbx" },
    rule: new SIPDispatchRule({
      rule: { case: "dispatchRuleIndividual", value: new SIPDispatchRuleIndividual({ roomPrefix: "leg" }) },
    }),
  });
  const one = evaluate(individual, trunk("t"), call());
  expect(one).toMatchObject({
    room: expect.stringMatching(/^leg_1001_\w{12}$/),
    identity: "sip_1001",
    name: "Phone 1001",
    attributes: { "mrtc.trunk": "pbx", "sip.trunkID": "t", "sip.phoneNumber": "1001", "sip.trunkPhoneNumber": "8500" },
  });
  expect(evaluate(individual, trunk("t"), call()).room).not.toBe(one.room);
});
