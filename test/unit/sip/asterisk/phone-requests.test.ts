import { expect, test } from "@jest/globals";
import { hostOf } from "../../../../src/sip/asterisk/phone-requests.ts";

test.each([
  ["sip:1001@192.0.2.1:5060", "192.0.2.1:5060"],
  ["sip:1001@pbx.example.org;transport=tls", "pbx.example.org"],
  ["<sips:+33140506070@[2001:db8::1]:5061>", "[2001:db8::1]:5061"],
  ["sip:192.0.2.1", "192.0.2.1"],
])("%s is at %s", (uri, host) => {
  expect(hostOf(uri)).toBe(host);
});

test.each(["", "tel:+33140506070", "1001"])("%j has no host", (uri) => {
  expect(() => hostOf(uri)).toThrow("no SIP address");
});
