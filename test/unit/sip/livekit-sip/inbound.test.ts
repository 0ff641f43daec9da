// Calls that livekit-sip brings, found in LiveKit's rooms; LiveKit is what its rooms say.
import { afterEach, expect, test } from "@jest/globals";
import { ParticipantInfo, ParticipantInfo_Kind } from "@livekit/protocol";

import type { IncomingCall, LegFact } from "../../../../src/calls/ports.ts";
import { createInbound, type Inbound } from "../../../../src/sip/livekit-sip/inbound.ts";
import { inboundLegId } from "../../../../src/sip/livekit-sip/incoming.ts";
import { type LegRooms, type PhoneStatus, statusOf } from "../../../../src/sip/livekit-sip/leg-room.ts";
import { createTestLog } from "../../../support/log.ts";

const ROOM = "mrtc-leg-in_1001_AbCdEfGh";
const LEG = inboundLegId(ROOM);
const CAME = { room: ROOM, hasLeft: false };
const LEFT = { room: ROOM, hasLeft: true };

let inbound: Inbound | undefined;
afterEach(() => inbound?.close());

const setUp = () => {
  /** Status of the phone in each room; without one the room is empty. */
  const phones = new Map<string, PhoneStatus | undefined>();
  const removed: string[] = [];
  const participants = (room: string): ParticipantInfo[] => {
    const status = phones.get(room);
    if (status === undefined) return [];
    const attributes = {
      "mrtc.gateway": "us",
      "mrtc.trunk": "pbx",
      "sip.trunkPhoneNumber": "8500",
      "sip.callStatus": status,
    };
    return [new ParticipantInfo({ identity: "sip_1001", kind: ParticipantInfo_Kind.SIP, attributes, tracks: [{}] })];
  };
  const rooms: LegRooms = {
    create: async () => {},
    remove: async () => {},
    media: async (legId, { phone }) => ({
      kind: "livekit-room",
      url: "ws://h",
      token: "t",
      phoneIdentity: phone,
      legId,
    }),
    participants: async (room) => participants(room),
    phoneStatus: async ({ room }) => statusOf(participants(room)[0]),
    list: async () => [...phones.keys()],
  };
  const removeRoom = async (room: string): Promise<void> => {
    removed.push(room);
    phones.delete(room);
  };
  const made = createInbound({ owner: "us", rooms, removeRoom, log: createTestLog().log });
  inbound = made;
  const calls: IncomingCall[] = [];
  const facts: LegFact[] = [];
  const come = Promise.withResolvers<void>();
  made.onIncoming((call) => {
    calls.push(call);
    come.resolve();
  });
  return {
    inbound: made,
    phones,
    removed,
    calls,
    facts,
    come: come.promise,
    accept: () => made.accept({ legId: LEG, maxDurationMs: 1000 }, (fact) => facts.push(fact)),
  };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A call that rings and is accepted. */
const accepted = async () => {
  const world = setUp();
  world.inbound.start();
  world.phones.set(ROOM, "ringing");
  world.inbound.hint(CAME);
  await world.come;
  world.accept();
  await turn();
  return world;
};

test("a call is found without any webhook, and offered once", async () => {
  const { inbound, phones, calls, come } = setUp();
  phones.set("mrtc-leg-other", "ringing");
  phones.set(ROOM, "ringing");
  inbound.start();
  await come;
  inbound.hint(CAME);
  await turn();
  expect(calls).toEqual([{ legId: LEG, trunkId: "pbx", called: "8500", caller: { isHidden: false } }]);
});

test("a webhook before the phone is in its room costs nothing; nor does one of another room", async () => {
  const { inbound, phones, calls, come } = setUp();
  inbound.start();
  phones.set(ROOM, undefined);
  phones.set("conference", "ringing");
  inbound.hint(CAME);
  inbound.hint({ room: "conference", hasLeft: false });
  await turn();
  expect(calls).toEqual([]);
  phones.set(ROOM, "ringing");
  inbound.hint(CAME);
  await come;
  expect(calls).toHaveLength(1);
});

test("audio is offered as what answers, and the call is answered when livekit-sip says active", async () => {
  const { inbound, phones, facts } = await accepted();
  expect(facts).toMatchObject([
    { type: "leg.mediaReady", attachingAnswers: true, media: { phoneIdentity: "sip_1001", legId: LEG } },
  ]);
  const answered = inbound.answer(LEG);
  await turn();
  expect(facts).toHaveLength(1);
  phones.set(ROOM, "active");
  await answered;
  expect(facts.at(-1)).toEqual({ type: "leg.answered" });
  inbound.pressed(LEG, "5");
  expect(facts.at(-1)).toEqual({ type: "leg.dtmf", digit: "5" });
});

test.each([
  { isAnswered: false, outcome: "cancelled" },
  { isAnswered: true, outcome: "completed" },
])("a phone that leaves its room has ended the call (answered: $isAnswered)", async ({ isAnswered, outcome }) => {
  const { inbound, phones, facts, removed, calls } = await accepted();
  if (isAnswered) {
    phones.set(ROOM, "active");
    await inbound.answer(LEG);
  }
  phones.set(ROOM, undefined);
  inbound.hint(CAME);
  await turn();
  expect(facts.at(-1)).toMatchObject({ type: "leg.ended", outcome, tryNextTrunk: false });
  expect(removed).toEqual([ROOM]);
  await expect(inbound.renewMedia(LEG)).rejects.toMatchObject({ code: "CALL_NOT_FOUND" });
  // The room is still listed for a moment: it is no new call.
  phones.set(ROOM, "ringing");
  inbound.hint(CAME);
  await turn();
  expect(calls).toHaveLength(1);
});

test("who hangs up before it is accepted is told as such; an answer then fails", async () => {
  const { inbound, phones, facts, accept, come } = setUp();
  inbound.start();
  phones.set(ROOM, "ringing");
  inbound.hint(CAME);
  await come;
  await turn();
  phones.set(ROOM, undefined);
  inbound.hint(CAME);
  await turn();
  accept();
  await turn();
  expect(facts).toMatchObject([{ type: "leg.ended", outcome: "cancelled" }]);
  await expect(inbound.answer(LEG)).rejects.toMatchObject({ code: "MEDIA_FAILED" });
});

test("of a caller who gave up before anybody looked, no empty room stays", async () => {
  const { inbound, phones, removed, calls } = setUp();
  inbound.start();
  phones.set(ROOM, undefined);
  inbound.hint(CAME);
  await turn();
  expect(removed).toEqual([]);
  inbound.hint(CAME);
  inbound.hint(LEFT);
  await turn();
  expect(removed).toEqual([ROOM]);
  expect(calls).toEqual([]);
});

test("our hang-up deletes the room, of an earlier life of the gateway too", async () => {
  const { inbound, facts, removed, phones } = await accepted();
  const ended = { outcome: "shutdown", cause: {}, tryNextTrunk: false } as const;
  await inbound.hangup(LEG, ended);
  expect(facts.at(-1)).toEqual({ type: "leg.ended", ...ended });
  const earlier = "mrtc-leg-in_1002_earlier";
  phones.set(earlier, "active");
  await inbound.hangup(inboundLegId(earlier), ended);
  expect(removed).toEqual([ROOM, earlier]);
});

test("a call that an earlier life of the gateway answered is hung up where it is found", async () => {
  const { inbound, phones, removed, calls } = setUp();
  inbound.start();
  phones.set(ROOM, "hangup");
  inbound.hint(CAME);
  await turn();
  expect(removed).toEqual([]);
  phones.set(ROOM, "active");
  inbound.hint(CAME);
  await turn();
  expect(removed).toEqual([ROOM]);
  expect(calls).toEqual([]);
});
