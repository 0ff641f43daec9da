import { expect, test } from "@jest/globals";

import type { E164 } from "../../../../src/ids.ts";
import { callerIdVariables } from "../../../../src/sip/asterisk/caller-id.ts";

const number = "+33140506070" as E164;

test("number and name go to the connected line, which is what Asterisk writes into From", () => {
  expect(callerIdVariables({ kind: "number", number, name: "Zoé" })).toEqual({
    "CONNECTEDLINE(num,i)": "+33140506070",
    "CONNECTEDLINE(name,i)": "Zoé",
  });
});

test("a name cannot start a new SIP header and is not endless", () => {
  const name = `Eve\r\nX-Evil: 1\u0000${"x".repeat(100)}`;
  const variables = callerIdVariables({ kind: "number", number, name });
  expect(variables["CONNECTEDLINE(name,i)"]).toMatch(/^EveX-Evil: 1x{68}$/);
});

test("anonymous holds no number and asks for privacy", () => {
  expect(callerIdVariables({ kind: "anonymous" })).toEqual({
    "CONNECTEDLINE(pres,i)": "prohib",
    "PJSIP_HEADER(add,Privacy)": "id",
  });
});
