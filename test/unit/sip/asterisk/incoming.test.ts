import { expect, test } from "@jest/globals";
import { parseAriEvent } from "../../../../src/sip/asterisk/ari-events.ts";
import { readIncoming } from "../../../../src/sip/asterisk/incoming.ts";
import { trunkId } from "../../../../src/ids.ts";

const trunks = new Map([
  [trunkId("pbx"), { endpoint: "xivo" }],
  [trunkId("second"), { endpoint: "xivo-tls" }],
]);

const start = (name: string, args: readonly string[], caller?: { name: string; number: string }) => {
  const channel = { id: "1763735065.12", name, state: "Ring", ...(caller === undefined ? {} : { caller }) };
  const parsed = parseAriEvent(JSON.stringify({ type: "StasisStart", args, channel }));
  if (parsed.kind !== "event" || parsed.event.type !== "StasisStart") throw new Error("not a StasisStart");
  return readIncoming(parsed.event, trunks);
};

test("called number, caller and trunk of a call from the shipped dialplan", () => {
  expect(start("PJSIP/xivo-0000001f", ["8500", "allowed_not_screened"], { name: "Desk", number: "1001" })).toEqual({
    legId: "in-1763735065.12",
    trunkId: "pbx",
    called: "8500",
    caller: { number: "1001", name: "Desk", isHidden: false },
  });
});

test("an endpoint with dashes is told from one that begins like it", () => {
  expect(start("PJSIP/xivo-tls-00000020", ["8500"])?.trunkId).toBe("second");
  expect(start("PJSIP/other-00000020", ["8500"])).toBeUndefined();
  expect(start("Local/8500@phones-00000020;1", ["8500"])).toBeUndefined();
});

test.each(["prohib", "prohib_passed_screen", "prohib_not_screened"])("%s hides the number", (presentation) => {
  const call = start("PJSIP/xivo-0000001f", ["8500", presentation], { name: "", number: "1001" });
  expect(call?.caller).toEqual({ number: "1001", isHidden: true });
});

test.each(["", "anonymous", "Anonymous", "unavailable"])("caller number %j is none", (number) => {
  expect(start("PJSIP/xivo-0000001f", ["8500"], { name: "", number })?.caller).toEqual({ isHidden: false });
});

test("without arguments nothing was dialled", () => {
  expect(start("PJSIP/xivo-0000001f", [])).toMatchObject({ called: "" });
});
