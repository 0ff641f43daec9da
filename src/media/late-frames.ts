import { FRAME_MS } from "./frame.ts";

/** Ordinary jitter (a garbage collection, a busy machine) comes in bursts up to this. */
const BURST_FRAMES = 3;
/** The sender's clock may run this much faster than ours before frames are dropped for it. */
const DRIFT = 1.01;

/**
 * Says whether a frame that arrives now may still pass. After a stall of the worker or the network everything that waited comes at
 * once: passed on, it would delay the rest of the call, so all but a short burst is dropped.
 */
export const createLateFrameFilter = (nowMs: () => number): { admit(): boolean } => {
  let credit = BURST_FRAMES;
  let checkedAtMs = nowMs();
  return {
    admit() {
      const now = nowMs();
      credit = Math.min(BURST_FRAMES, credit + ((now - checkedAtMs) * DRIFT) / FRAME_MS);
      checkedAtMs = now;
      if (credit < 1) return false;
      credit -= 1;
      return true;
    },
  };
};
