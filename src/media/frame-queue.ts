import { type Concealer, createConcealer } from "./concealment.ts";
import { FRAME_MS, type SampleRateHz, samplesPerFrame } from "./frame.ts";
import { isAudible } from "./levels.ts";

/**
 * How frames come. `network`: with the jitter of a network; up to 120 ms may wait. `smoothed`: a jitter buffer has evened them out
 * already, and only our own scheduling is left.
 */
export type Arrival = "network" | "smoothed";

/** More than this at once is what piled up while we were not running, or what a network held back: only the newest is worth playing. */
const CAPACITY: Readonly<Record<Arrival, number>> = { network: 6, smoothed: 4 };
/** Frames between two looks at how long frames wait: 1 s. */
const WINDOW_FRAMES = 50;
/** A network that jitters every few seconds is looked at for longer before delay is given back: up to 8 s. */
const LONGEST_WINDOW_FRAMES: Readonly<Record<Arrival, number>> = { network: 400, smoothed: WINDOW_FRAMES };
/** What a frame has to wait at least, as a cushion for jitter. */
const CUSHION_MS = 4;
/** Frames that a pause is waited for before one is taken out of speech. */
const PATIENCE_FRAMES = 40;

/**
 * Evens out arrival (somebody else's clock) and use (our tick): an adaptive jitter buffer. A gap is concealed and leaves one frame
 * more in the queue, which then covers that much jitter; when every frame of a while waited a whole frame longer than needed, one
 * is taken out, in a pause if one comes. Clock drift and bursts are the same to it.
 */
export interface FrameQueue {
  /** Copies the samples. `undefined`: a frame that never came, concealed when its turn comes; `madeUp`: one that the decoder made up. */
  push(samples: Int16Array | undefined, madeUp?: boolean): void;
  /** The sender pauses on purpose (DTX): until something audible comes, nothing is expected, played or counted. */
  rest(): void;
  isResting(): boolean;
  /** The next frame; for 60 ms a made-up one when there is none, then undefined. Valid until the next call of `push` or `pop`. */
  pop(): Int16Array | undefined;
  /** Throws away what waits and forgets how it came: the next audible frame is the first. */
  restart(): void;
  /** Frames since the last call: that were missing when they were due, and thrown away. */
  takeCounts(): { lost: number; dropped: number };
}

interface Slot {
  readonly samples: Int16Array;
  isHole: boolean;
  atMs: number;
}

export const createFrameQueue = (rateHz: SampleRateHz, arrival: Arrival, nowMs: () => number): FrameQueue => {
  const capacity = CAPACITY[arrival];
  // One slot more than the capacity: the frame handed out last must survive a push.
  const slots = Array.from({ length: capacity + 1 }, (): Slot => {
    return { samples: new Int16Array(samplesPerFrame(rateHz)), isHole: false, atMs: 0 };
  });
  const concealer: Concealer = createConcealer(rateHz);
  const trimmer = createTrimmer(arrival);
  let head = 0;
  let length = 0;
  let dropped = 0;
  let lost = 0;
  /** Frames concealed since the queue ran empty: if those turn out to be lost, they were played already. */
  let playedInPlace = 0;
  let isResting = false;

  const drop = (frames: number): void => {
    head = (head + frames) % slots.length;
    length -= frames;
    dropped += frames;
  };
  const take = (): Slot => {
    const slot = slots[head]!;
    head = (head + 1) % slots.length;
    length -= 1;
    return slot;
  };
  const conceal = (): Int16Array | undefined => {
    lost += 1;
    return concealer.conceal();
  };
  const runEmpty = (): Int16Array | undefined => {
    if (isResting) return undefined;
    if (playedInPlace === 0) trimmer.ranEmpty();
    playedInPlace += 1;
    return conceal();
  };
  /** Leaves the first frame out; its beginning glides into the end of the next, so that nothing clicks. */
  const leaveOneOut = (): void => {
    const { samples, isHole } = slots[head]!;
    drop(1);
    const next = slots[head]!;
    if (isHole || next.isHole) return;
    for (let i = 0; i < samples.length; i++) {
      next.samples[i] = Math.round(samples[i]! + ((next.samples[i]! - samples[i]!) * i) / samples.length);
    }
  };

  return {
    push(samples, madeUp = samples === undefined) {
      if (isResting && (samples === undefined || !isAudible(samples))) return;
      isResting = false;
      if (madeUp && playedInPlace > 0) {
        playedInPlace -= 1;
        return;
      }
      if (madeUp && samples !== undefined) lost += 1;
      playedInPlace = 0;
      if (length === capacity) drop(length);
      const slot = slots[(head + length) % slots.length]!;
      slot.isHole = samples === undefined;
      if (samples !== undefined) slot.samples.set(samples);
      slot.atMs = nowMs();
      length += 1;
    },
    rest() {
      isResting = true;
    },
    isResting: () => isResting,
    pop() {
      if (length === 0) return runEmpty();
      if (length > 1 && trimmer.isOneTooMany(slots[head]!)) leaveOneOut();
      const slot = take();
      trimmer.waited(nowMs() - slot.atMs);
      if (slot.isHole) return conceal();
      concealer.heard(slot.samples);
      return slot.samples;
    },
    restart() {
      head = 0;
      length = 0;
      playedInPlace = 0;
      isResting = true;
      concealer.clear();
      trimmer.restart();
    },
    takeCounts() {
      const counts = { lost, dropped };
      lost = 0;
      dropped = 0;
      return counts;
    },
  };
};

/** Decides from how long frames wait when one of them is one too many. */
const createTrimmer = (arrival: Arrival) => {
  let windowFrames = WINDOW_FRAMES;
  let leastWaitMs = Infinity;
  let framesInWindow = 0;
  let surplus = 0;
  let patience = 0;

  const restartWindow = (): void => {
    leastWaitMs = Infinity;
    framesInWindow = 0;
  };
  return {
    waited(ms: number): void {
      leastWaitMs = Math.min(leastWaitMs, ms);
      framesInWindow += 1;
      if (framesInWindow < windowFrames) return;
      surplus = Math.max(0, Math.floor((leastWaitMs - CUSHION_MS) / FRAME_MS));
      patience = PATIENCE_FRAMES;
      restartWindow();
    },
    ranEmpty(): void {
      surplus = 0;
      // What was given back was needed after all, or there is more jitter than before.
      windowFrames = Math.min(4 * windowFrames, LONGEST_WINDOW_FRAMES[arrival]);
      restartWindow();
    },
    isOneTooMany({ samples, isHole }: Slot): boolean {
      if (surplus === 0) return false;
      patience -= 1;
      if (patience > 0 && !isHole && isAudible(samples)) return false;
      surplus -= 1;
      windowFrames = Math.max(WINDOW_FRAMES, Math.floor(windowFrames / 2));
      restartWindow();
      return true;
    },
    restart(): void {
      surplus = 0;
      windowFrames = WINDOW_FRAMES;
      restartWindow();
    },
  };
};
