import { TONES_HZ } from "../../../deploy/lab/audio/tone.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import type { LabMemberProcess } from "../../../deploy/lab/member/process.ts";
import { allHear, memberEar, phoneEar } from "./audio.ts";
import { type GhostInRoom, leftOf, roomMembership } from "./leftovers.ts";
import { type ApiCall, GONE_WITHIN_MS, type Scene } from "./scene.ts";
import { until } from "./until.ts";

const NUMBER = "1002";

/** A call that has nothing to do with what a test does and must not notice it: bob and phone 1002 in an encrypted room of their own. */
export interface GoodCall {
  readonly roomId: string;
  readonly call: ApiCall;
  readonly member: LabMemberProcess;
  /** It is still the same call, and tones go both ways now. */
  expectUnharmed(): Promise<void>;
  /** Nothing is left of another phone, within the 2 s that issue 3 allows unless told otherwise. */
  expectNothingLeft(what: GhostInRoom, withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const isJoined = async (lab: Lab, { roomId, ghost, witness }: GhostInRoom): Promise<boolean> =>
  (await roomMembership(lab, roomId, ghost, witness).catch(() => "none")) === "join";

const runningCalls = async ({ gateway }: Lab): Promise<string[]> => {
  const { calls } = (await gateway.api("GET", "/api/v1/calls?limit=500")).body as unknown as { calls: ApiCall[] };
  return calls.filter(({ state }) => state !== "ended").map(({ call_id: id }) => id);
};

export async function startGoodCall(scene: Scene): Promise<GoodCall> {
  const { lab, bob } = scene;
  const phone = lab.phones[NUMBER];
  const ghost = lab.gateway.ghost(NUMBER);
  const roomId = await scene.createRoom({ encrypted: true });
  const member = await scene.join(bob, roomId, TONES_HZ.bob);
  const expectBothHear = () =>
    allHear([
      [memberEar(member, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.bob],
    ]);
  phone.answerMode = "auto";
  await scene.addByApi(roomId, NUMBER);
  const call = await scene.waitForState(roomId, "active");
  await expectBothHear();

  return {
    roomId,
    call,
    member,
    expectUnharmed: async () => {
      const { state, outcome } = await scene.call(call.call_id);
      if (state !== "active") throw new Error(`the call beside the test is ${state}, outcome ${outcome}`);
      await expectBothHear();
    },
    expectNothingLeft: async (what, withinMs = GONE_WITHIN_MS) => {
      let seen: string[] = [];
      await until(
        `nothing to be left of ${what.ghost}`,
        async () => {
          // Channels and bridges in Asterisk are named after their call.
          const running = await runningCalls(lab);
          const left = (await leftOf(lab, what)).filter((name) => !running.some((id) => name.includes(id)));
          // Who was put out of the room can write nothing there any more; clients do not count members that are not joined.
          const isOut = left.length > 0 && !(await isJoined(lab, what));
          seen = isOut ? left.filter((name) => !name.startsWith("membership ")) : left;
          return seen.length === 0 ? true : undefined;
        },
        { withinMs, seen: () => seen },
      );
    },
    stop: () => member.leave(),
  };
}
