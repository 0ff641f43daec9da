import { expect, test } from "@jest/globals";
import { refusalOf } from "../../../../src/matrix/chats/legacy-calls.ts";

test.each([
  [
    { call_id: "c", version: "1" },
    { type: "m.call.reject", content: { call_id: "c", version: "1", party_id: "GW" } },
  ],
  [
    { call_id: "c", version: 0 },
    { type: "m.call.hangup", content: { call_id: "c", version: 0 } },
  ],
  [{ version: "1" }, undefined],
  [{ call_id: 7, version: "1" }, undefined],
  ["broken", undefined],
])("a legacy call %j is answered with %j", (content, refusal) => {
  expect(refusalOf(content, "GW")).toEqual(refusal);
});
