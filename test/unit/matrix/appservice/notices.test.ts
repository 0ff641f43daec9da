import { expect, test } from "@jest/globals";
import type { Notice } from "../../../../src/calls/notice-ports.ts";
import { callId, roomId } from "../../../../src/ids.ts";
import { createNotices, noticeText } from "../../../../src/matrix/appservice/notices.ts";
import { createTestLog } from "../../../support/log.ts";

const target = { roomId: roomId("!r:x"), callId: callId("c1") };
const phone = { name: "+33 1 40 50 60 70", direction: "outbound" } as const;

test.each<[Notice, string]>([
  [
    { kind: "phone-leaves-encryption" },
    "A phone has joined this call. What is said leaves the end-to-end encryption at the gateway: telephone lines are not encrypted.",
  ],
  [{ kind: "call-failed", phone, outcome: "busy" }, "The call to +33 1 40 50 60 70 ended: the line is busy."],
  [
    { kind: "call-failed", phone, outcome: "trunk-failed", detail: "Trunk xivo answered 503." },
    "The call to +33 1 40 50 60 70 ended: the telephone system refused or could not be reached. Trunk xivo answered 503.",
  ],
  [
    { kind: "left-alone", phone, hangupAfterMs: 60_000 },
    "Only phones are left in this call: +33 1 40 50 60 70 is hung up in 60 s.",
  ],
  [
    { kind: "call-failed", phone: { name: "Reception", direction: "inbound" }, outcome: "media-failed" },
    "The call from Reception ended: the audio could not be connected.",
  ],
  [
    { kind: "caller-waits", phone: { name: "+33*******78", direction: "inbound" } },
    "+33*******78 has called this room and waits in its call. Join the call to talk.",
  ],
])("%o", (notice, text) => {
  expect(noticeText(notice)).toBe(text);
});

const notify = async (bot: "there" | "away" | "failing", ghost: "there" | "failing" = "there") => {
  const said: string[] = [];
  const { log, lines } = createTestLog();
  const notices = createNotices({
    sayAsBot: async (room) => {
      if (bot === "failing") throw new Error("no way to @tel_+33140506070:x");
      if (bot === "there") said.push(`bot in ${room}`);
      return bot === "there";
    },
    sayAsGhost: async (call, room) => {
      if (ghost === "failing") throw new Error("gone");
      said.push(`ghost of ${call} in ${room}`);
    },
    log,
  });
  await notices.notify(target, { kind: "phone-leaves-encryption" });
  return { said, lines };
};

test("the bot speaks where it is, else the ghost", async () => {
  expect((await notify("there")).said).toEqual(["bot in !r:x"]);
  expect((await notify("away")).said).toEqual(["ghost of c1 in !r:x"]);
});

test("a lost notice is logged, without numbers", async () => {
  const { said, lines } = await notify("failing");
  expect(said).toEqual([]);
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ["warn", "notice not sent: no way to @tel_+33*****70:x"],
  ]);
  expect((await notify("away", "failing")).lines).toHaveLength(1);
});
