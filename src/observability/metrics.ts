import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Outcome } from "../calls/outcome.ts";
import type { AudioDirection, CallRecord, CallStateName } from "../calls/ports.ts";
import type { TrunkId } from "../ids.ts";

type Direction = CallRecord["direction"];

const PREFIX = "mrtc_sip_gateway_";
/** From the quick steps of setting up (0.05 s) to a long conference (4 h). */
const STAGE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 14_400];
const REQUEST_BUCKETS_S = [0.005, 0.025, 0.1, 0.25, 1, 5];

/** What a call tells of its audio when it ends. */
export interface AudioFigures {
  readonly signalSeconds: number;
  readonly silenceSeconds: number;
  readonly framesLost: number;
  readonly framesDropped: number;
}

const counterIn =
  (register: Registry) =>
  <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: PREFIX + name, help, labelNames: [...labelNames], registers: [register] });

const histogramIn =
  (register: Registry) =>
  <Label extends string>(name: string, help: string, labelNames: readonly Label[], buckets: number[]) =>
    new Histogram({ name: PREFIX + name, help, labelNames: [...labelNames], buckets, registers: [register] });

const callMetrics = (register: Registry) => {
  const counter = counterIn(register);
  const active = new Gauge({
    name: `${PREFIX}calls_active`,
    help: "Calls that have not ended",
    labelNames: ["direction"],
    registers: [register],
  });
  const ended = counter("calls_ended_total", "Calls that ended, by outcome", ["direction", "outcome", "trunk"]);
  const stage = histogramIn(register)("call_stage_seconds", "Time calls spent in a state", ["stage"], STAGE_BUCKETS_S);
  const signal = counter("call_audio_signal_seconds_total", "Audible audio of ended calls", ["direction"]);
  const silence = counter("call_audio_silence_seconds_total", "Silent audio of ended calls", ["direction"]);
  const lost = counter("media_frames_lost_total", "Frames of 20 ms that never came", ["direction"]);
  const dropped = counter("media_frames_dropped_total", "Frames of 20 ms dropped because they were late", [
    "direction",
  ]);
  const silent = counter("call_silent_total", "Calls with no audio at all for 10 s in a direction", ["direction"]);
  active.set({ direction: "outbound" }, 0);
  active.set({ direction: "inbound" }, 0);
  return {
    callStarted: (direction: Direction) => active.inc({ direction }),
    callEnded: (direction: Direction, outcome: Outcome, trunk: TrunkId) => {
      active.dec({ direction });
      ended.inc({ direction, outcome, trunk });
    },
    callStage: (name: CallStateName, seconds: number) => stage.observe({ stage: name }, seconds),
    callSilent: (direction: AudioDirection) => silent.inc({ direction }),
    /** Once per call and worker: the figures of the whole time. */
    callAudio: (direction: AudioDirection, figures: AudioFigures) => {
      signal.inc({ direction }, figures.signalSeconds);
      silence.inc({ direction }, figures.silenceSeconds);
      lost.inc({ direction }, figures.framesLost);
      dropped.inc({ direction }, figures.framesDropped);
    },
  };
};

const matrixMetrics = (register: Registry) => {
  const counter = counterIn(register);
  const transactions = counter("transactions_total", "Transactions of the homeserver");
  const malformed = counter("events_malformed_total", "Events of the homeserver that could not be read");
  const keysRefused = counter("media_keys_refused_total", "Media keys not taken, by reason", ["reason"]);
  const undelivered = counter("media_keys_undelivered_total", "Media keys that a member's device could not be sent");
  const unreadable = counter("unreadable_members_total", "Members whose encrypted membership cannot be read");
  const refused = counter("memberships_refused_total", "Memberships not believed, by reason", ["reason"]);
  return {
    transaction: () => transactions.inc(),
    malformedEvents: (count: number) => malformed.inc(count),
    /** What the Matrix sessions count: `media-key.REASON`, `member.REASON`. */
    rtc: (kind: `media-key.${string}` | `member.${string}`) => {
      const reason = kind.slice(kind.indexOf(".") + 1);
      if (kind === "media-key.undelivered") undelivered.inc();
      else if (kind === "member.unreadable") unreadable.inc();
      else if (kind.startsWith("media-key.")) keysRefused.inc({ reason });
      else refused.inc({ reason });
    },
  };
};

const serviceMetrics = (register: Registry) => {
  const counter = counterIn(register);
  const reconnects = counter("ari_reconnects_total", "Lost connections to Asterisk that came back");
  const pinAlarms = counter(
    "pin_alarms_total",
    "Times that so many PINs were wrong that somebody may be guessing them",
  );
  const restarts = counter("workers_restarted_total", "Media workers that died and were replaced");
  const requests = histogramIn(register)(
    "http_request_seconds",
    "HTTP requests answered",
    ["listener", "method", "route", "status"],
    REQUEST_BUCKETS_S,
  );
  return {
    ariReconnected: () => reconnects.inc(),
    pinAlarm: () => pinAlarms.inc(),
    workerRestarted: () => restarts.inc(),
    httpRequest: (request: {
      readonly listener: string;
      readonly method: string;
      /** The pattern of the route, never the path: ids would make a series of their own each. */
      readonly route: string;
      readonly status: number;
      readonly seconds: number;
    }) => {
      const { seconds, status, ...labels } = request;
      requests.observe({ ...labels, status: String(status) }, seconds);
    },
  };
};

export type Metrics = ReturnType<typeof createMetrics>;

/** All metrics of the gateway, in a registry of their own. No label holds a number, a user or a room. */
export const createMetrics = () => {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return {
    ...callMetrics(register),
    ...matrixMetrics(register),
    ...serviceMetrics(register),
    contentType: register.contentType,
    /** The text that Prometheus reads. */
    text: () => register.metrics(),
  };
};
