// What a person does in a chat with a number, and which of it calls the number.
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { AddPhone, CallRecord } from "../../../src/calls/ports.ts";
import { GatewayError } from "../../../src/errors.ts";
import { ghostUserId, roomId, userId } from "../../../src/ids.ts";
import type { PhoneChat } from "../../../src/personal/chat.ts";
import { type ChatFact, createOutgoing, type Outgoing } from "../../../src/personal/outgoing.ts";
import { newPersonalCall } from "../calls/fixtures.ts";
import { quietLog } from "../../support/fake-ports.ts";

const CHAT: PhoneChat = {
  room: roomId("!chat:example.org"),
  ghost: ghostUserId("@tel_+33140506070:example.org"),
  person: userId("@alice:example.org"),
};
const base = newPersonalCall().record;
const CALL: CallRecord = { ...base, roomId: CHAT.room, person: CHAT.person };

const joined = (more: Partial<Extract<ChatFact, { type: "joined" }>> = {}): ChatFact => ({
  type: "joined",
  eventId: "$joined",
  stateKey: "_alice_phone",
  isNew: true,
  ageMs: 40,
  ...more,
});
const rang: ChatFact = { type: "rang", eventId: "$ring", membershipEventId: "$joined" };

let added: AddPhone[];
let running: CallRecord[];
let hungUp: string[];
let said: string[];
let declined: string[];
let refusal: GatewayError | undefined;
let nowMs: number;
let outgoing: Outgoing;

beforeEach(() => {
  [added, running, hungUp, said, declined] = [[], [], [], [], []];
  refusal = undefined;
  nowMs = 1_000_000;
  outgoing = createOutgoing({
    calls: {
      add: async (request) => {
        added.push(request);
        if (refusal !== undefined) throw refusal;
        running.push(CALL);
        return CALL;
      },
      hangup: async ({ callId }) => {
        hungUp.push(callId);
        return CALL;
      },
      inRoom: () => running,
    },
    numberOf: () => "+33140506070",
    say: (_chat, text) => void said.push(text),
    decline: (_chat, ring) => void declined.push(ring),
    words: ({ message }) => message,
    nowMs: () => nowMs,
    log: quietLog,
  });
});

const end = (changes: Partial<CallRecord>): void => {
  running = [];
  outgoing.transition({ ...CALL, state: "ended", endedAtMs: 1, ...changes });
};

test("a new membership of the person dials the number, in their name", async () => {
  await outgoing.handle(CHAT, joined());
  expect(added).toEqual([
    { roomId: CHAT.room, number: "+33140506070", subject: { kind: "user", userId: CHAT.person }, via: "chat" },
  ]);
});

describe("nobody is dialled", () => {
  test.each([
    ["a membership that is written again", joined({ isNew: false })],
    ["a membership of long ago", joined({ ageMs: 61_000 })],
    ["a ring alone", rang],
    ["a leave", { type: "left", stateKey: "_alice_phone" } as const],
  ])("by %s", async (_what, fact) => {
    await outgoing.handle(CHAT, fact);
    expect(added).toEqual([]);
  });

  test("while a call of the chat runs: the membership answers it, or is a second device", async () => {
    running = [{ ...CALL, direction: "inbound" }];
    await outgoing.handle(CHAT, joined());
    expect(added).toEqual([]);
  });

  test("by a repeated ring, which is declined as well", async () => {
    await outgoing.handle(CHAT, joined());
    end({ outcome: "busy" });
    await outgoing.handle(CHAT, rang);
    await outgoing.handle(CHAT, { ...rang, eventId: "$ring2" });
    expect(added).toHaveLength(1);
    expect(declined).toEqual(["$ring", "$ring2"]);
  });
});

test("who accepts a call that has just ended does not call back; who then rings does", async () => {
  end({ direction: "inbound", outcome: "cancelled" });
  await outgoing.handle(CHAT, joined());
  expect(added).toEqual([]);
  await outgoing.handle(CHAT, rang);
  expect(added).toHaveLength(1);
  end({ direction: "inbound", outcome: "cancelled" });
  nowMs += 5000;
  await outgoing.handle(CHAT, joined({ eventId: "$later" }));
  expect(added).toHaveLength(2);
});

describe("the ring is declined when nobody answers any more", () => {
  test.each([["busy"], ["declined"], ["no-answer"], ["unreachable"], ["internal"]] as const)("%s", async (outcome) => {
    await outgoing.handle(CHAT, joined());
    await outgoing.handle(CHAT, rang);
    end({ outcome });
    expect(declined).toEqual(["$ring"]);
  });

  test.each([
    ["that was answered", { outcome: "completed", answeredAtMs: 5 }],
    ["that the person gave up", { outcome: "cancelled" }],
  ] as const)("not of a call %s", async (_what, changes) => {
    await outgoing.handle(CHAT, joined());
    await outgoing.handle(CHAT, rang);
    end(changes);
    expect(declined).toEqual([]);
  });

  test("also when it is only known after a refusal, which is said in words", async () => {
    refusal = new GatewayError("NUMBER_NOT_PERMITTED", "You may not call this number.");
    await outgoing.handle(CHAT, joined());
    expect([said, declined]).toEqual([["You may not call this number."], []]);
    await outgoing.handle(CHAT, rang);
    expect(declined).toEqual(["$ring"]);
    expect(added).toHaveLength(1);
  });

  test("not when it is the ring of another membership", async () => {
    await outgoing.handle(CHAT, joined());
    await outgoing.handle(CHAT, { ...rang, membershipEventId: "$other" });
    end({ outcome: "busy" });
    expect(declined).toEqual([]);
  });
});

test("the person leaves before the answer: the call ends; afterwards it ends when nobody is left in it", async () => {
  await outgoing.handle(CHAT, joined());
  await outgoing.handle(CHAT, { type: "left", stateKey: "_alice_laptop" });
  expect(hungUp).toEqual([]);
  await outgoing.handle(CHAT, { type: "left", stateKey: "_alice_phone" });
  expect(hungUp).toEqual([CALL.callId]);

  running = [];
  await outgoing.handle(CHAT, joined({ eventId: "$again" }));
  running = [{ ...CALL, answeredAtMs: 7 }];
  await outgoing.handle(CHAT, { type: "left", stateKey: "_alice_phone" });
  expect(hungUp).toHaveLength(1);
});

test("words are for those who still wait", async () => {
  refusal = new GatewayError("NO_LIVE_CALL", "They have left.");
  await outgoing.handle(CHAT, joined());
  expect(said).toEqual([]);
});
