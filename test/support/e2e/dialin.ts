/** What phones that dial in do again and again. */
import type { LabMember } from "../../../deploy/lab/member/member.ts";
import type { LabPhone } from "../../../deploy/lab/phones/phone.ts";
import { nowMs } from "./audio.ts";
import { until } from "./until.ts";

/** Dials; resolves when the phone hears that it rings. */
export const dialUntilItRings = async (phone: LabPhone, number: string): Promise<void> => {
  const ringing = Promise.withResolvers<void>();
  const stop = phone.on(({ type }) => (type === "CALL_RINGING" ? ringing.resolve() : undefined));
  await phone.dial(number);
  await ringing.promise;
  stop();
};

/** Resolves when nothing of the phone's tone is heard. Keys interrupt what a phone says, so only a whole second of silence counts. */
export const untilMuted = async (phone: LabPhone, member: LabMember): Promise<void> => {
  await until("the phone to be muted", async () =>
    (await member.heardSince(nowMs() - 1000)).some((tone) => Math.abs(tone.frequencyHz - phone.toneHz) < 10)
      ? undefined
      : true,
  );
};
