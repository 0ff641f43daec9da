import { describe, expect, test } from "@jest/globals";
import { ParticipantInfo, ParticipantInfo_Kind, TrackInfo } from "@livekit/protocol";

import {
  inboundLegId,
  isInbound,
  phoneIn,
  readCaller,
  readIncoming,
  ruleAttributes,
} from "../../../../src/sip/livekit-sip/incoming.ts";
import { legId, trunkId } from "../../../../src/ids.ts";

const ROOM = "mrtc-leg-in_+33612345678_AbCdEfGh";

describe("who calls", () => {
  test.each([
    [{ "sip.phoneNumber": "1001" }, { number: "1001", isHidden: false }],
    [
      { "sip.phoneNumber": "1001", "mrtc.from": '"Desk 1001" <sip:1001@pbx>;tag=x' },
      { number: "1001", name: "Desk 1001", isHidden: false },
    ],
    [
      {
        "sip.phoneNumber": "pbx",
        "mrtc.from": "<sip:pbx@10.0.0.1>",
        "mrtc.asserted": '"Anne \\"A\\"" <sip:+33612345678;user=phone@pbx>',
      },
      { number: "+33612345678", name: 'Anne "A"', isHidden: false },
    ],
    [
      { "sip.phoneNumber": "pbx", "mrtc.remote": "Bob <sip:1002@pbx>;party=calling;privacy=off" },
      { number: "1002", name: "Bob", isHidden: false },
    ],
    [
      { "sip.phoneNumber": "anonymous", "mrtc.from": '"Anonymous" <sip:anonymous@anonymous.invalid>' },
      { number: "anonymous", name: "Anonymous", isHidden: true },
    ],
    [
      { "sip.phoneNumber": "1001", "mrtc.asserted": "<tel:+33612345678>", "mrtc.privacy": "id" },
      { number: "+33612345678", isHidden: true },
    ],
    [
      { "sip.phoneNumber": "1001", "mrtc.privacy": "none" },
      { number: "1001", isHidden: false },
    ],
    [
      { "sip.phoneNumber": "1001", "mrtc.remote": "<sip:1001@pbx>;privacy=full" },
      { number: "1001", isHidden: true },
    ],
    [{}, { isHidden: false }],
    [
      { "sip.phoneNumber": "1001", "mrtc.asserted": "'; DROP TABLE calls; --" },
      { number: "1001", isHidden: false },
    ],
  ])("%j is %j", (attributes, caller) => {
    expect(readCaller(attributes)).toEqual(caller);
  });

  test("300 characters of anything are read at once", () => {
    for (const text of ['"'.repeat(300), "\\".repeat(300), " ".repeat(300), "<".repeat(300), "😀".repeat(300)]) {
      expect(readCaller({ "sip.phoneNumber": "1001", "mrtc.from": text })).toMatchObject({ number: "1001" });
    }
  });
});

test("a leg is known by its room, and its id tells nobody the number in the room's name", () => {
  const id = inboundLegId(ROOM);
  expect(id).toBe(inboundLegId(ROOM));
  expect(id).not.toContain("612345678");
  expect(isInbound(id)).toBe(true);
  expect(isInbound(legId(`${crypto.randomUUID()}-1`))).toBe(false);
});

test("only the phone that our rule put there is a call", () => {
  const attributes = {
    ...ruleAttributes("us", trunkId("pbx")),
    "sip.trunkPhoneNumber": "8500",
    "sip.phoneNumber": "1001",
  };
  const gateway = new ParticipantInfo({ identity: "gateway", attributes });
  const foreign = new ParticipantInfo({ identity: "sip_1", kind: ParticipantInfo_Kind.SIP });
  const joining = new ParticipantInfo({ identity: "sip_1001", kind: ParticipantInfo_Kind.SIP, attributes });
  const phone = joining.clone();
  phone.tracks = [new TrackInfo()];
  expect(phoneIn([gateway, foreign, joining], "us")).toBeUndefined();
  expect(phoneIn([phone], "others")).toBeUndefined();
  expect(phoneIn([gateway, foreign, phone], "us")).toBe(phone);
  expect(readIncoming(ROOM, phone)).toEqual({
    legId: inboundLegId(ROOM),
    trunkId: "pbx",
    called: "8500",
    caller: { number: "1001", isHidden: false },
  });
});
