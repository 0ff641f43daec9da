/** The bars as data. A measurement gives samples by the names used here; a bar without samples is not met. */
import { findLivekitSip } from "../lab/servers/livekit-sip.ts";
import { median, p95, percentile } from "./stats.ts";

/** The stand-in waits and answers like the real one (deploy/lab/livekit-sip), and is not it. */
const LIVEKIT_SIP = findLivekitSip() === undefined ? "the livekit-sip STAND-IN" : "livekit-sip";

export type Unit = "ms" | "% of a core" | "x" | "MB" | "%" | "left";

const JUDGED = {
  median: { of: median, words: "median" },
  p95: { of: p95, words: "p95" },
  most: { of: (samples: readonly number[]) => percentile(samples, 1), words: "" },
} as const;

export interface Bar {
  readonly figure: string;
  readonly unit: Unit;
  /** What of the samples must not be above `limit`. */
  readonly judgedBy: keyof typeof JUDGED;
  readonly limit: number;
}

export const BARS = {
  invite: { figure: "request → INVITE at the PBX", unit: "ms", judgedBy: "p95", limit: 150 },
  "answer-in": { figure: "phone answers → heard in the conference", unit: "ms", judgedBy: "p95", limit: 300 },
  "answer-out": { figure: "phone answers → hears the conference", unit: "ms", judgedBy: "p95", limit: 300 },
  "fresh-in": { figure: "request → heard in the conference, new ghost", unit: "ms", judgedBy: "p95", limit: 1200 },
  "fresh-out-young": {
    figure: "request → hears the conference, new ghost, young key",
    unit: "ms",
    judgedBy: "p95",
    limit: 1200,
  },
  "fresh-out-old": {
    figure: "request → hears the conference, new ghost, old key",
    unit: "ms",
    judgedBy: "p95",
    limit: 2200,
  },
  "sfu-connection": { figure: "connection to the SFU", unit: "ms", judgedBy: "p95", limit: 60 },
  "delay-in": { figure: "delay added, phone → conference", unit: "ms", judgedBy: "median", limit: 40 },
  "delay-out": { figure: "delay added, conference → phone", unit: "ms", judgedBy: "median", limit: 40 },
  "stall-in": { figure: "more delay 2 s after a stall, phone → conference", unit: "ms", judgedBy: "p95", limit: 20 },
  "stall-out": { figure: "more delay 2 s after a stall, conference → phone", unit: "ms", judgedBy: "p95", limit: 20 },
  cpu: { figure: "CPU per phone, 10 phones", unit: "% of a core", judgedBy: "median", limit: 5 },
  "cpu-growth": { figure: "CPU per phone, 15 phones ÷ 10 phones", unit: "x", judgedBy: "median", limit: 1.2 },
  memory: { figure: "memory per phone", unit: "MB", judgedBy: "median", limit: 14 },
  "dial-in-ring": { figure: "phone dials in: INVITE → 180", unit: "ms", judgedBy: "p95", limit: 150 },
  "dial-in-in": { figure: "phone dials in: INVITE → heard in the conference", unit: "ms", judgedBy: "p95", limit: 900 },
  "dial-in-out": {
    figure: "phone dials in: INVITE → hears the conference, old key",
    unit: "ms",
    judgedBy: "p95",
    limit: 2000,
  },
  "livekit-dial-in-ring": {
    figure: `phone dials in over ${LIVEKIT_SIP}: INVITE → 180`,
    unit: "ms",
    judgedBy: "p95",
    limit: 150,
  },
  "livekit-dial-in-in": {
    figure: `phone dials in over ${LIVEKIT_SIP}: INVITE → heard in the conference`,
    unit: "ms",
    judgedBy: "p95",
    limit: 2000,
  },
  "livekit-dial-in-out": {
    figure: `phone dials in over ${LIVEKIT_SIP}: INVITE → hears the conference, old key`,
    unit: "ms",
    judgedBy: "p95",
    limit: 3000,
  },
  "pin-in": { figure: "last PIN digit → heard in the conference", unit: "ms", judgedBy: "p95", limit: 700 },
  "pin-out": { figure: "last PIN digit → hears the conference, young key", unit: "ms", judgedBy: "p95", limit: 1800 },
  "key-icon": { figure: "end of *6 → icon in Element Call", unit: "ms", judgedBy: "p95", limit: 500 },
  "person-call": {
    figure: "person calls: membership at the homeserver → INVITE at the PBX",
    unit: "ms",
    judgedBy: "p95",
    limit: 250,
  },
  "person-ring": {
    figure: "phone calls a person: INVITE → ring seen by their client",
    unit: "ms",
    judgedBy: "p95",
    limit: 300,
  },
  "person-ring-new": { figure: "the same, the chat has to be made", unit: "ms", judgedBy: "p95", limit: 1500 },
  "person-in": { figure: "person accepts → phone is heard", unit: "ms", judgedBy: "p95", limit: 800 },
  "person-out": { figure: "person accepts → phone hears them", unit: "ms", judgedBy: "p95", limit: 1800 },
  "person-end": {
    figure: "one side declines or hangs up → event or SIP message at the other",
    unit: "ms",
    judgedBy: "p95",
    limit: 300,
  },
  crowd: { figure: "40 phones dial within 2 s: each heard and hearing", unit: "ms", judgedBy: "most", limit: 10_000 },
  "full-gateway": {
    figure: "CPU of the gateway per phone, 30 phones",
    unit: "% of a core",
    judgedBy: "median",
    limit: 0.8,
  },
  "full-all": {
    figure: "CPU of gateway, its Asterisk and SFU per phone, 30 phones",
    unit: "% of a core",
    judgedBy: "median",
    limit: 2.2,
  },
  "full-growth": { figure: "the same, 60 phones ÷ 30 phones", unit: "x", judgedBy: "median", limit: 1.1 },
  "full-memory": { figure: "memory of the gateway per phone, 30 phones", unit: "MB", judgedBy: "median", limit: 2 },
  "full-loss": { figure: "packets missing at the worst of 60 telephones", unit: "%", judgedBy: "most", limit: 0.5 },
  "full-delay-in": { figure: "delay added, phone → conference, 60 phones", unit: "ms", judgedBy: "median", limit: 40 },
  "full-delay-out": {
    figure: "delay added, conference → phone, 60 phones",
    unit: "ms",
    judgedBy: "median",
    limit: 40,
  },
  "left-devices": { figure: "ghost devices after 200 calls", unit: "left", judgedBy: "most", limit: 0 },
  "left-memberships": { figure: "memberships after 200 calls", unit: "left", judgedBy: "most", limit: 0 },
  "left-participants": { figure: "SFU participants after 200 calls", unit: "left", judgedBy: "most", limit: 0 },
  "left-sip": { figure: "channels, bridges, leg rooms after 200 calls", unit: "left", judgedBy: "most", limit: 0 },
  "left-files": { figure: "file descriptors more after 200 calls", unit: "left", judgedBy: "most", limit: 0 },
  "worker-growth": {
    figure: "worker memory, last 50 of 200 calls ÷ first 50",
    unit: "x",
    judgedBy: "most",
    limit: 1.1,
  },
} as const satisfies Record<string, Bar>;

export type BarName = keyof typeof BARS;
export const BAR_NAMES = Object.keys(BARS) as BarName[];

/** Raw values by bar. */
export type Samples = Partial<Record<BarName, readonly number[]>>;

export interface Verdict {
  readonly name: BarName;
  readonly samples: readonly number[];
  readonly median: number;
  readonly p95: number;
  readonly met: boolean;
}

/** A bar without samples, or with one that is no number, is not met. */
export const judge = (name: BarName, samples: readonly number[]): Verdict => {
  const { judgedBy, limit } = BARS[name];
  return {
    name,
    samples,
    median: median(samples),
    p95: p95(samples),
    met: samples.every(Number.isFinite) && JUDGED[judgedBy].of(samples) <= limit,
  };
};

/** The bar in words: "p95 ≤ 150 ms". */
export const barInWords = (name: BarName): string => {
  const { judgedBy, limit, unit } = BARS[name];
  return `${JUDGED[judgedBy].words} ≤ ${limit} ${unit}`.trim();
};
