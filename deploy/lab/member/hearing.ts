import { findTones, type HeardFrequency, levelDbfs as levelOf } from "./tone-detection.ts";

/** What was asked for was heard. */
export interface HeardTone extends HeardFrequency {
  /** Which of the sources carried it (a LiveKit identity, or a media track of the browser). */
  readonly source: string;
  /** Arrival (epoch ms) of the first frame of the unbroken run of frames that carry the tone. */
  readonly firstFrameAtMs: number;
  /** Arrival (epoch ms) of the frame with which the tone had lasted a whole window. */
  readonly heardAtMs: number;
}

export interface HearOptions {
  /** Default -40 dBFS (peak of the sine). */
  readonly minLevelDbfs?: number;
  /** Default 10 s. */
  readonly withinMs?: number;
  /** Only audio that arrived after this moment counts (epoch ms). Default: from now on. */
  readonly sinceMs?: number;
  /** Only sources that fit; default any. */
  readonly from?: (source: string) => boolean;
  /** For the error message: who `from` stands for. */
  readonly fromWhom?: string;
}

export interface Hearing {
  /** Takes the next frame of a source; `atMs` is its arrival (epoch ms). Frames are kept, not copied. */
  add(source: string, pcm: Int16Array, atMs: number): void;
  /** Resolves as soon as the tone is heard. Rejects after `withinMs` with an error that names every tone heard instead. */
  hear(frequencyHz: number, options?: HearOptions): Promise<HeardTone>;
  /** Every tone of every source in the audio that arrived after `sinceMs`, loudest first. */
  heardSince(sinceMs: number): (HeardFrequency & { source: string })[];
  sources(): string[];
  /** All that is kept, mixed on one time line: what a person would have heard. */
  recording(): Int16Array;
}

export interface HearingOptions {
  readonly sampleRateHz: number;
  /** Audio in which a tone must hold to count: longer tells near frequencies apart, shorter answers sooner. */
  readonly windowMs: number;
  /** Older audio is forgotten. */
  readonly keepMs: number;
}

interface Frame {
  readonly pcm: Int16Array;
  readonly atMs: number;
}

interface Waiter {
  readonly frequencyHz: number;
  readonly minLevelDbfs: number;
  readonly sinceMs: number;
  readonly from: (source: string) => boolean;
  readonly resolve: (tone: HeardTone) => void;
}

/** Clock of all arrival times: epoch milliseconds with fractions, the same in every process of the machine. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

// A frame at the edge of a tone holds less of it; 8 dB below still counts as carrying it.
const EDGE_DB = 8;

export function createHearing({ sampleRateHz, windowMs, keepMs }: HearingOptions): Hearing {
  const frames = new Map<string, Frame[]>();
  const waiters = new Set<Waiter>();
  const windowSamples = Math.round((windowMs * sampleRateHz) / 1000);

  const since = (source: string, sinceMs: number): Frame[] =>
    (frames.get(source) ?? []).filter((frame) => frame.atMs > sinceMs);

  const check = (waiter: Waiter, source: string): HeardTone | undefined => {
    const { frequencyHz } = waiter;
    if (!waiter.from(source)) return undefined;
    const fresh = since(source, waiter.sinceMs);
    const window = lastSamples(fresh, windowSamples);
    if (window === undefined) return undefined;
    const levelDbfs = levelOf(window, sampleRateHz, frequencyHz);
    if (levelDbfs < waiter.minLevelDbfs) return undefined;
    let first = fresh.length - 1;
    const carries = (frame: Frame): boolean => levelOf(frame.pcm, sampleRateHz, frequencyHz) >= levelDbfs - EDGE_DB;
    while (first > 0 && carries(fresh[first - 1]!)) first -= 1;
    // The beginning of a tone fills only part of the window: its level is known when the tone has filled all of it.
    if (lastSamples(fresh.slice(first), windowSamples) === undefined) return undefined;
    return { source, frequencyHz, levelDbfs, firstFrameAtMs: fresh[first]!.atMs, heardAtMs: fresh.at(-1)!.atMs };
  };

  const settle = (waiter: Waiter, source: string): boolean => {
    const tone = check(waiter, source);
    if (tone !== undefined) waiter.resolve(tone);
    return tone !== undefined;
  };

  const heardSince: Hearing["heardSince"] = (sinceMs) =>
    [...frames.keys()]
      .flatMap((source) => findTones(concat(since(source, sinceMs)), sampleRateHz).map((tone) => ({ ...tone, source })))
      .sort((a, b) => b.levelDbfs - a.levelDbfs);

  return {
    add: (source, pcm, atMs) => {
      const kept = frames.get(source) ?? [];
      frames.set(source, kept);
      kept.push({ pcm, atMs });
      while (kept[0]!.atMs < atMs - keepMs) kept.shift();
      for (const waiter of waiters) settle(waiter, source);
    },
    hear: (frequencyHz, options = {}) => {
      const withinMs = options.withinMs ?? 10_000;
      const minLevelDbfs = options.minLevelDbfs ?? -40;
      const sinceMs = options.sinceMs ?? nowMs();
      return new Promise((resolve, reject) => {
        const done = (): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
        };
        const waiter: Waiter = {
          frequencyHz,
          minLevelDbfs,
          sinceMs,
          from: options.from ?? (() => true),
          resolve: (tone) => {
            done();
            resolve(tone);
          },
        };
        const timer = setTimeout(() => {
          done();
          const from = options.fromWhom === undefined ? "" : ` from ${options.fromWhom}`;
          reject(
            new Error(
              `no tone of ${frequencyHz} Hz at ${minLevelDbfs} dBFS or more${from} within ${withinMs / 1000} s; heard ${describe(
                heardSince(sinceMs),
                [...frames.keys()],
              )}`,
            ),
          );
        }, withinMs);
        waiters.add(waiter);
        [...frames.keys()].some((source) => settle(waiter, source));
      });
    },
    heardSince,
    sources: () => [...frames.keys()],
    recording: () => mix([...frames.values()], sampleRateHz),
  };
}

const describe = (tones: (HeardFrequency & { source: string })[], sources: string[]): string => {
  if (sources.length === 0) return "nothing: no audio arrived";
  if (tones.length === 0) return `no tone from ${sources.join(", ")}`;
  return tones
    .map((tone) => `${tone.frequencyHz} Hz at ${tone.levelDbfs.toFixed(0)} dBFS from ${tone.source}`)
    .join(", ");
};

/** The last `count` samples in one piece; nothing while there are fewer. */
function lastSamples(frames: Frame[], count: number): Int16Array | undefined {
  let first = frames.length;
  let samples = 0;
  while (first > 0 && samples < count) samples += frames[--first]!.pcm.length;
  if (samples < count) return undefined;
  return concat(frames.slice(first)).subarray(samples - count);
}

function concat(frames: Frame[]): Int16Array {
  const all = new Int16Array(frames.reduce((sum, frame) => sum + frame.pcm.length, 0));
  let at = 0;
  for (const { pcm } of frames) {
    all.set(pcm, at);
    at += pcm.length;
  }
  return all;
}

// Frames arrive with jitter: one that lies this close to its predecessor continues it without a gap.
const JITTER_MS = 150;

function mix(sources: Frame[][], sampleRateHz: number): Int16Array {
  const heard = sources.filter((frames) => frames.length > 0);
  if (heard.length === 0) return new Int16Array(0);
  const startMs = Math.min(...heard.map((frames) => frames[0]!.atMs));
  const endMs = Math.max(...heard.map((frames) => frames.at(-1)!.atMs));
  const sum = new Int32Array(Math.ceil(((endMs - startMs + 2 * JITTER_MS) * sampleRateHz) / 1000) + sampleRateHz);
  for (const frames of heard) {
    let next = 0;
    for (const { pcm, atMs } of frames) {
      const due = Math.round(((atMs - startMs) * sampleRateHz) / 1000);
      if (due - next > (JITTER_MS * sampleRateHz) / 1000) next = due;
      for (const sample of pcm) sum[next] = sum[next++]! + sample;
    }
  }
  return Int16Array.from(sum, (sample) => Math.max(-32_768, Math.min(32_767, sample)));
}
