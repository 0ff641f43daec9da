import { isAudible } from "./levels.ts";

/** More than this at once is what piled up while we were not running: only the newest frame is still worth playing. */
const CAPACITY = 5;
/** Frames between two looks at how full the queue stays: 1 s. */
const WINDOW = 50;

/**
 * Evens out arrival (somebody else's clock) and use (our tick). One frame at most waits where all is calm; the first gap leaves one
 * frame more in it, which then covers that much jitter. What stays in the queue through a whole second is not needed and is taken
 * out in a pause: that is clock drift, or what a burst left behind.
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

export const createFrameQueue = (samples: number): FrameQueue => {
  // One slot more than the capacity: the frame handed out last must survive a push.
  const slots = Array.from({ length: CAPACITY + 1 }, () => new Int16Array(samples));
  let head = 0;
  let length = 0;
  let dropped = 0;
  let least = CAPACITY;
  let popsInWindow = 0;
  let surplus = 0;

  const drop = (frames: number): void => {
    head = (head + frames) % slots.length;
    length -= frames;
    dropped += frames;
  };
  const look = (): void => {
    least = Math.min(least, length);
    popsInWindow += 1;
    if (popsInWindow < WINDOW) return;
    surplus = Math.max(0, least - 1);
    least = CAPACITY;
    popsInWindow = 0;
  };

  return {
    push(frame) {
      if (length === CAPACITY) drop(length);
      slots[(head + length) % slots.length]!.set(frame);
      length += 1;
    },
    pop() {
      if (length === 0) {
        look();
        return undefined;
      }
      if (surplus > 0 && length > 1 && (surplus > 1 || !isAudible(slots[head]!))) {
        drop(1);
        surplus -= 1;
      }
      const frame = slots[head]!;
      head = (head + 1) % slots.length;
      length -= 1;
      look();
      return frame;
    },
    clear() {
      head = 0;
      length = 0;
      surplus = 0;
      least = CAPACITY;
      popsInWindow = 0;
    },
    takeDropped() {
      const count = dropped;
      dropped = 0;
      return count;
    },
  };
};
