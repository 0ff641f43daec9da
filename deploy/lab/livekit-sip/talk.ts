/** From the answer of a call to its end, whoever called. */
import type { RoomSide } from "./room-side.ts";
import type { RtpLeg } from "./rtp.ts";

/** livekit-sip waits for the first RTP after the answer, at most so long, before it says `active`. */
const WAIT_FOR_RTP_MS = 1000;
const FRAME_MS = 20;
/** `media_timeout`: no RTP for so long ends the call. */
const MEDIA_TIMEOUT_MS = 15_000;

export const waitForRtp = async ({ lastReceivedMs }: RtpLeg): Promise<void> => {
  const sinceMs = performance.now();
  while (lastReceivedMs() <= sinceMs && performance.now() - sinceMs < WAIT_FOR_RTP_MS) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

export interface Established {
  readonly ended: Promise<"local" | "remote">;
  bye(): void;
}

/** Carries the audio; resolves when the call is over. */
export const talk = async (
  established: Established,
  { side, rtp, maxDurationMs }: { readonly side: RoomSide; readonly rtp: RtpLeg; readonly maxDurationMs: number },
): Promise<void> => {
  side.openRoomAudio();
  side.onKey(async (key) => {
    await rtp.press(key);
  });
  let nextMs = performance.now();
  const timer = setInterval(() => {
    // Several frames when the timer was late: a phone expects 50 a second.
    for (; nextMs <= performance.now(); nextMs += FRAME_MS) rtp.send(side.nextMix());
    if (performance.now() - rtp.lastReceivedMs() > MEDIA_TIMEOUT_MS) established.bye();
  }, FRAME_MS / 2);
  const longest = setTimeout(() => established.bye(), maxDurationMs);
  const by = await Promise.race([established.ended, side.closed.then(() => "room" as const)]);
  clearInterval(timer);
  clearTimeout(longest);
  if (by === "room") established.bye();
};
