import { FRAME_MS } from "./frame.ts";
import { isAudible } from "./levels.ts";

/** More than this at once is what piled up while we were not running: only the newest frame is still worth playing. */
const CAPACITY = 4;
/** Frames between two looks at how long frames wait: 1 s. */
const WINDOW_FRAMES = 50;
/** What a frame has to wait at least, as a cushion for jitter. */
const CUSHION_MS = 4;
/** Frames that a pause is waited for before one is taken out of speech. */
const PATIENCE_FRAMES = 40;

/**
 * Evens out arrival (somebody else's clock) and use (our tick). A gap leaves one frame more in the queue, which then covers that
 * much jitter; when every frame of a second waited a whole frame longer than needed, one is taken out, in a pause if one
 * comes. Clock drift and bursts are the same to it.
 */
export interface FrameQueue {
  /** Copies the samples. */
  push(samples: Int16Array): void;
  /** The next frame, or undefined when there is none; valid until the next call of `push`. */
  pop(): Int16Array | undefined;
  clear(): void;
  /** Frames thrown away since the last call. */
  takeDropped(): number;
}

export const createFrameQueue = (samplesPerFrame: number, nowMs: () => number): FrameQueue => {
  // One slot more than the capacity: the frame handed out last must survive a push.
  const slots = Array.from({ length: CAPACITY + 1 }, () => ({ samples: new Int16Array(samplesPerFrame), atMs: 0 }));
  let head = 0;
  let length = 0;
  let dropped = 0;
  let leastWaitMs = Infinity;
  let framesInWindow = 0;
  let surplus = 0;
  let patience = 0;

  const drop = (frames: number): void => {
    head = (head + frames) % slots.length;
    length -= frames;
    dropped += frames;
  };
  const restartWindow = (): void => {
    leastWaitMs = Infinity;
    framesInWindow = 0;
  };
  const look = (waitedMs: number): void => {
    leastWaitMs = Math.min(leastWaitMs, waitedMs);
    framesInWindow += 1;
    if (framesInWindow < WINDOW_FRAMES) return;
    surplus = Math.max(0, Math.floor((leastWaitMs - CUSHION_MS) / FRAME_MS));
    patience = PATIENCE_FRAMES;
    restartWindow();
  };
  const takeOutSurplus = (): void => {
    if (surplus === 0 || length < 2) return;
    patience -= 1;
    if (patience > 0 && isAudible(slots[head]!.samples)) return;
    drop(1);
    surplus -= 1;
    restartWindow();
  };

  return {
    push(samples) {
      if (length === CAPACITY) drop(length);
      const slot = slots[(head + length) % slots.length]!;
      slot.samples.set(samples);
      slot.atMs = nowMs();
      length += 1;
    },
    pop() {
      if (length === 0) {
        surplus = 0;
        restartWindow();
        return undefined;
      }
      takeOutSurplus();
      const { samples, atMs } = slots[head]!;
      head = (head + 1) % slots.length;
      length -= 1;
      look(nowMs() - atMs);
      return samples;
    },
    clear() {
      head = 0;
      length = 0;
      surplus = 0;
      restartWindow();
    },
    takeDropped() {
      const count = dropped;
      dropped = 0;
      return count;
    },
  };
};
