import { FRAME_MS } from "./frame.ts";

/** Ordinary jitter (a garbage collection, a busy machine) is up to this many frames. */
const JITTER_FRAMES = 3;
/** How fast the clock follows a sender whose crystal differs from ours: 0.5 %, far more than any crystal is off. */
const SLEW_MS_PER_FRAME = FRAME_MS * 0.005;
/** A process that was stopped for longer (5 s) is killed anyway: nothing is made up for, the track simply goes on. */
const MAX_OWED_FRAMES = 250;

/**
 * The clock of a track we send. The encoder counts samples, not time: frames that are left out shift every later one, a receiver
 * takes them all for late, and its jitter buffer grows by as much for many seconds (measured: 300 ms after a stall of 300 ms).
 * So a frame that comes too late to be heard is replaced by silence, and the track stays on time.
 */
export interface TrackClock {
  /** What to do with a frame that is here now. `early`: more frames than time, it must not be sent. */
  judge(): "send" | "late" | "early";
  /** Frames that time asks for and nobody sent. */
  owed(): number;
  /** A frame was sent, of whatever content. */
  sent(): void;
  /** After a stall: the frames that time asked for, to the nearest; they count as sent. */
  makeUp(): number;
}

export const createTrackClock = (nowMs: () => number): TrackClock => {
  /** When the next frame is due. */
  let dueMs = nowMs();
  const owed = (): number => {
    const behind = Math.floor((nowMs() - dueMs) / FRAME_MS);
    if (behind > MAX_OWED_FRAMES) dueMs = nowMs();
    return Math.min(behind, MAX_OWED_FRAMES);
  };
  return {
    judge() {
      const behindMs = nowMs() - dueMs;
      dueMs += Math.sign(behindMs) * SLEW_MS_PER_FRAME;
      const frames = owed();
      if (frames >= JITTER_FRAMES) return "late";
      return frames < -JITTER_FRAMES ? "early" : "send";
    },
    owed,
    sent() {
      dueMs += FRAME_MS;
    },
    makeUp() {
      const frames = Math.min(MAX_OWED_FRAMES, Math.max(0, Math.round((nowMs() - dueMs) / FRAME_MS)));
      dueMs += frames * FRAME_MS;
      return frames;
    },
  };
};
