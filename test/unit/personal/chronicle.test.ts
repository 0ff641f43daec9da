import { expect, test } from "@jest/globals";
import type { CallRecord } from "../../../src/calls/ports.ts";
import { ghostUserId, roomId, userId } from "../../../src/ids.ts";
import type { RingingPlace } from "../../../src/calls/person.ts";
import { createChronicle } from "../../../src/personal/chronicle.ts";
import { newPersonalCall } from "../calls/fixtures.ts";
import { quietLog } from "../../support/fake-ports.ts";

const CALL: CallRecord = newPersonalCall().record;
const flush = () => new Promise((resolve) => setImmediate(resolve));

const GHOST = ghostUserId("@tel_1001:example.org");
const OWN: RingingPlace = { roomId: roomId("!own:example.org"), ghost: GHOST, ghostName: "Bob" };

const make = (fail = false, place: RingingPlace = { roomId: roomId("!chat:example.org"), ghost: GHOST }) => {
  const written: { room: string; text: string; replaces?: string | undefined }[] = [];
  const chronicle = createChronicle({
    write: async ({ room }, text, replaces) => {
      if (fail) throw new Error("the homeserver is away");
      written.push({ room, text, replaces });
      return `$${written.length}`;
    },
    chatWith: async () => place,
    isOwn: (ghost) => place === OWN && ghost === GHOST,
    log: quietLog,
  });
  return { chronicle, written };
};

test("a call that was answered has one line, which is put in the place of itself at the end", async () => {
  const { chronicle, written } = make();
  for (const state of ["alerting", "connecting", "active", "ending"] as const) chronicle.transition({ ...CALL, state });
  chronicle.transition({ ...CALL, state: "ended", outcome: "completed", answeredAtMs: 0, endedAtMs: 5000 });
  await flush();
  expect(written.map(({ text, replaces }) => [text, replaces])).toEqual([
    ["Outgoing call, answered. The telephone side is not end-to-end encrypted.", undefined],
    ["Outgoing call, 5 s.", "$1"],
  ]);
});

test("a call that nobody answered has one line; a call of a conference none", async () => {
  const { chronicle, written } = make();
  chronicle.transition({ ...CALL, state: "ended", outcome: "busy" });
  const { person: _nobody, ...conference } = CALL;
  chronicle.transition({ ...conference, state: "ended", outcome: "busy" });
  await flush();
  expect(written).toEqual([{ room: CALL.roomId, text: "Outgoing call: the line is busy.", replaces: undefined }]);
});

test("a call that never rang is told in the chat with its caller", async () => {
  const { chronicle, written } = make();
  chronicle.missed({ person: userId("@bob:example.org"), ghost: GHOST, name: "1001", outcome: "busy" });
  await flush();
  expect(written).toMatchObject([{ room: "!chat:example.org", text: "Missed call: you were in another call." }]);
});

test("a line that cannot be written changes nothing else", async () => {
  const { chronicle, written } = make(true);
  chronicle.transition({ ...CALL, state: "active" });
  chronicle.transition({ ...CALL, state: "ended", outcome: "completed", answeredAtMs: 0, endedAtMs: 5000 });
  await flush();
  expect(written).toEqual([]);
});

test("in the chat with a number of the person's own, lines say who called", async () => {
  const { chronicle, written } = make(false, OWN);
  const person = userId("@bob:example.org");
  chronicle.missed({ person, ghost: ghostUserId("@tel_1002:example.org"), name: "Carol", outcome: "busy" });
  const call: CallRecord = { ...CALL, direction: "inbound", person, ghost: GHOST, name: "Carol" };
  chronicle.transition({ ...call, state: "ended", outcome: "completed", answeredAtMs: 0, endedAtMs: 5000 });
  await flush();
  expect(written.map(({ text }) => text)).toEqual([
    "Missed call from Carol: you were in another call.",
    "Incoming call from Carol, 5 s.",
  ]);
});
