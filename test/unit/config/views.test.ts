import { expect, test } from "@jest/globals";
import { callOptionsOf, numberPlanOf, policyOptionsOf, trunksOf } from "../../../src/config/domain.ts";
import { configSummary, secretsOf } from "../../../src/config/summary.ts";
import { asteriskSection, asteriskTrunk, load, minimal } from "./files.ts";

const full = () => ({
  ...minimal(),
  numbering: { country: "FR", extensions: ["1XXX"], outside_line_prefix: "0" },
  policy: { rules: [{ servers: ["example.org"], classes: ["national"], prefixes: ["+331"] }], attempts_per_minute: 3 },
  api: { tokens: [{ name: "crm", token: "api-token-0123456789" }] },
  asterisk: asteriskSection(),
  livekit_sip: { url: "http://127.0.0.1:7880", api_key: "key", api_secret: "livekit-secret" },
  trunks: [
    {
      ...asteriskTrunk(),
      routes: [{ class: "national" }, { prefix: "+49" }],
      dial_format: { prefix: "0" },
      caller_id: { default: "anonymous", users: { "@alice:example.org": "+33140506001" } },
    },
    {
      name: "lk",
      engine: "livekit-sip",
      livekit_sip: { address: "pbx", numbers: ["1001"], auth_username: "u", auth_password: "trunk-password" },
      routes: [{ class: "internal" }],
      caller_id: { default: "1001" },
    },
  ],
});

const SECRETS = [
  "as-token-of-the-test",
  "hs-token-of-the-test",
  "api-token-0123456789",
  "ari-pass",
  "livekit-secret",
  "trunk-password",
];

test("the summary shows what is in force, and no secret", () => {
  const summary = configSummary(load(full()));
  for (const secret of SECRETS) expect(summary).not.toContain(secret);
  expect(summary).toContain("as_token: (set)");
  expect(summary).toContain("max_call_duration: 4h");
  expect(summary).toContain("ring_timeout: 1m");
  expect(summary).toContain('"@alice:example.org": "+33140506001"');
});

test("the logger learns every secret", () => {
  expect([...secretsOf(load(full()))].sort()).toEqual([...SECRETS].sort());
});

test("trunks, number plan and policy in the words of the domain", () => {
  const config = load(full());
  expect(trunksOf(config)[0]).toEqual({
    id: "xivo",
    engine: "asterisk",
    routes: [{ class: "national" }, { prefix: "+49" }],
    dialFormat: { prefix: "0" },
    callerId: {
      default: { kind: "anonymous" },
      perUser: { "@alice:example.org": { kind: "number", number: "+33140506001" } },
    },
    inbound: { country: "FR", isTrusted: false, showsExternalCallers: false },
  });
  expect(trunksOf(config)[1]).toMatchObject({ engine: "livekit-sip", dialFormat: "e164" });
  expect(numberPlanOf(config)).toEqual({ country: "FR", extensionPatterns: ["1XXX"], outsideLinePrefix: "0" });
  expect(callOptionsOf(config)).toEqual({
    ringTimeoutMs: 60_000,
    forwardAfterMs: 20_000,
    aloneHangupMs: 60_000,
    waitingHangupMs: 600_000,
    confirm: "none",
    maxDurationMs: 4 * 3_600_000,
    maxCallsPerUser: 2,
    maxCalls: 10,
    maxInboundCalls: 60,
  });
  expect(policyOptionsOf(config)).toEqual({
    attemptsPerMinute: 3,
    rules: [{ users: [], tokens: [], servers: ["example.org"], classes: ["national"], prefixes: ["+331"] }],
  });
});
