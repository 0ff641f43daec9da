import { TONES_HZ } from "../lab/audio/tone.ts";
import type { ElementCallHost } from "../lab/element-call/host.ts";
import { joinElementCall, openElementCall } from "../lab/element-call/member.ts";
import type { LabUser } from "../lab/homeserver.ts";
import type { Lab } from "../lab/lab.ts";
import { startPhoneChat } from "../lab/phone-chat.ts";
import type { Report } from "./report.ts";
import { browserSide, everyoneHearsEveryone, phoneSide } from "./sides.ts";

/** Bob's number at the lab's PBX, which sends it to the gateway. */
export const BOBS_NUMBER = "2002";

interface OneToOneStage {
  readonly lab: Lab;
  readonly host: ElementCallHost;
  readonly people: Readonly<Record<"alice" | "bob", LabUser>>;
}

/** Alice calls the desk phone from a chat with it; the desk phone calls Bob. Both in encrypted chats, with the real Element Call. */
export const callOneToOne = async ({ lab, host, people }: OneToOneStage, report: Report): Promise<void> => {
  const desk = lab.phones["1001"];
  const ghost = lab.gateway.ghost("1001");
  const roomId = await startPhoneChat(lab.homeserver, people.alice, ghost, { encrypted: true });
  await using alice = await openElementCall({
    host,
    user: people.alice,
    roomId,
    intent: "start_call_dm_voice",
    microphoneToneHz: TONES_HZ.alice,
  });
  await report.step("alice calls 1001 from a chat with it; it rings", async () => {
    await alice.join();
    await desk.waitForRinging();
    return undefined;
  });
  await report.step("1001 is picked up; alice and 1001 hear each other", async () => {
    await desk.answer();
    await everyoneHearsEveryone([browserSide("alice", alice), phoneSide(desk)], report);
    return undefined;
  });
  await report.step("1001 hangs up; the chat tells of the call", async () => {
    await desk.hangup();
    return (await alice.waitForMessage(({ body }) => body.includes("Outgoing call, "))).body;
  });

  await report.step(`1001 dials ${BOBS_NUMBER}; bob's Element Call answers, and they hear each other`, async () => {
    await desk.dial(BOBS_NUMBER);
    const chat = await ringingChat(lab);
    await using bob = await joinElementCall({
      host,
      user: people.bob,
      roomId: chat,
      intent: "join_existing_dm_voice",
      microphoneToneHz: TONES_HZ.bob,
    });
    await desk.waitForEstablished();
    await everyoneHearsEveryone([browserSide("bob", bob), phoneSide(desk)], report);
    await desk.hangup();
    return undefined;
  });
};

/** The chat in which bob is rung. */
const ringingChat = async (lab: Lab): Promise<string> => {
  for (const endMs = performance.now() + 10_000; performance.now() < endMs;) {
    const { body } = await lab.gateway.api("GET", "/api/v1/calls?direction=inbound&limit=1");
    const [call] = body["calls"] as readonly { room_id: string; state: string }[];
    if (call?.state === "alerting") return call.room_id;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("bob is not rung; see the gateway's log");
};
