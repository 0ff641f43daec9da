/** Root mean square of a frame in dBFS (full-scale sine is -3 dBFS); -Infinity for digital silence. */
export const levelDbfs = (samples: Int16Array): number => {
  let energy = 0;
  for (let i = 0; i < samples.length; i++) energy += samples[i]! * samples[i]!;
  return 10 * Math.log10(energy / samples.length / (32768 * 32768));
};

/** Above this a frame counts as signal: below speech (-45 dBFS and more), above line noise and G.711's idle pattern (-72 dBFS). */
export const AUDIBLE_DBFS = -55;
const AUDIBLE_ENERGY = 32768 * 32768 * 10 ** (AUDIBLE_DBFS / 10);

/** Cheaper than `levelDbfs(samples) > AUDIBLE_DBFS`: no logarithm in the 20 ms path. */
export const isAudible = (samples: Int16Array): boolean => {
  let energy = 0;
  for (let i = 0; i < samples.length; i++) energy += samples[i]! * samples[i]!;
  return energy > AUDIBLE_ENERGY * samples.length;
};

/** What a call can prove about one direction of its audio. */
export interface DirectionStats {
  /** Seconds with something to hear. */
  readonly signalSeconds: number;
  /** Seconds with frames but nothing to hear. */
  readonly silenceSeconds: number;
  /** Frames that should have come and did not. */
  readonly framesLost: number;
  /** Frames thrown away because they came too late or too many. */
  readonly framesDropped: number;
  /** Milliseconds since the last frame; absent when none came. */
  readonly lastFrameAgoMs?: number;
}

export interface LevelMeter {
  /** Counts one frame; true when it is audible. */
  measure(samples: Int16Array): boolean;
  /** Counts one frame whose level is known already; says the same again. */
  count(audible: boolean): boolean;
  lost(frames: number): void;
  dropped(frames: number): void;
  stats(): DirectionStats;
}

const FRAMES_PER_SECOND = 50;

export const createLevelMeter = (nowMs: () => number): LevelMeter => {
  let signalFrames = 0;
  let silenceFrames = 0;
  let framesLost = 0;
  let framesDropped = 0;
  let lastFrameAtMs: number | undefined;
  const count = (audible: boolean): boolean => {
    lastFrameAtMs = nowMs();
    if (audible) signalFrames += 1;
    else silenceFrames += 1;
    return audible;
  };
  return {
    measure: (samples) => count(isAudible(samples)),
    count,
    lost(frames) {
      framesLost += frames;
    },
    dropped(frames) {
      framesDropped += frames;
    },
    stats: () => ({
      signalSeconds: signalFrames / FRAMES_PER_SECOND,
      silenceSeconds: silenceFrames / FRAMES_PER_SECOND,
      framesLost,
      framesDropped,
      ...(lastFrameAtMs === undefined ? {} : { lastFrameAgoMs: Math.round(nowMs() - lastFrameAtMs) }),
    }),
  };
};
