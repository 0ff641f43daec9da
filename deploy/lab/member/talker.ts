import { nowMs } from "./hearing.ts";

export interface Burst {
  readonly frequencyHz: number;
  /** Default 200 ms, in steps of 10. */
  readonly durationMs?: number;
  /** Default -12 dBFS. */
  readonly levelDbfs?: number;
}

/** Makes the 10 ms frames of a microphone: silence, a tone, or a short burst over either. */
export interface Talker {
  /** 0 is silence. */
  tone(frequencyHz: number, levelDbfs?: number): void;
  /** Resolves when its last frame is out, with the moment (epoch ms) its first frame was handed over. */
  burst(burst: Burst): Promise<{ sentAtMs: number }>;
  stop(): void;
}

const FRAME_MS = 10;
const DEFAULT_LEVEL_DBFS = -12;
// A process that was held up does not catch up on what it missed: real microphones do not either.
const LATE_MS = 50;

export function startTalker(sampleRateHz: number, send: (pcm: Int16Array) => void): Talker {
  const frameSamples = (sampleRateHz * FRAME_MS) / 1000;
  let steady = { frequencyHz: 0, amplitude: 0 };
  let burst: { frequencyHz: number; amplitude: number; framesLeft: number; done: () => void } | undefined;
  let sentAtMs = 0;
  let phase = 0;

  const frame = (): Int16Array => {
    const { frequencyHz, amplitude } = burst ?? steady;
    // A new array each time: the native half reads it after this returns.
    const pcm = new Int16Array(frameSamples);
    if (amplitude === 0) return pcm;
    const step = (2 * Math.PI * frequencyHz) / sampleRateHz;
    for (let i = 0; i < frameSamples; i += 1) pcm[i] = amplitude * Math.sin(phase + step * i);
    phase = (phase + step * frameSamples) % (2 * Math.PI);
    return pcm;
  };

  let dueMs = nowMs();
  let timer: NodeJS.Timeout;
  const tick = (): void => {
    send(frame());
    if (burst !== undefined) {
      if (sentAtMs === 0) sentAtMs = nowMs();
      burst.framesLeft -= 1;
      if (burst.framesLeft === 0) {
        burst.done();
        burst = undefined;
      }
    }
    dueMs += FRAME_MS;
    if (nowMs() - dueMs > LATE_MS) dueMs = nowMs();
    timer = setTimeout(tick, Math.max(0, dueMs - nowMs()));
  };
  timer = setTimeout(tick, 0);

  const amplitudeOf = (levelDbfs: number): number => 32_767 * 10 ** (levelDbfs / 20);
  return {
    tone: (frequencyHz, levelDbfs = DEFAULT_LEVEL_DBFS) => {
      steady = { frequencyHz, amplitude: frequencyHz === 0 ? 0 : amplitudeOf(levelDbfs) };
    },
    burst: async ({ frequencyHz, durationMs = 200, levelDbfs = DEFAULT_LEVEL_DBFS }) => {
      if (burst !== undefined) throw new Error("a burst is being sent already");
      sentAtMs = 0;
      phase = 0;
      await new Promise<void>((done) => {
        burst = { frequencyHz, amplitude: amplitudeOf(levelDbfs), framesLeft: durationMs / FRAME_MS, done };
      });
      return { sentAtMs };
    },
    stop: () => clearTimeout(timer),
  };
}
