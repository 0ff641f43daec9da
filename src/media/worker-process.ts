import { type ChildProcess, fork } from "node:child_process";

import { GatewayError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { type FromWorker, parseFromWorker, type ToWorker, type WorkerFact, type WorkerRequest } from "./ipc.ts";
import type { G711As } from "./phone-sfu.ts";
import type { SfuClientChoice } from "./sfu/choose.ts";
import type { LobbyFact } from "./lobby-port.ts";
import type { CallAudioStats } from "./stats.ts";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type Request = WithoutId<WorkerRequest>;

export interface WorkerEvents {
  onFact(callId: string, fact: WorkerFact): void;
  onLobbyFact(callId: string, fact: LobbyFact): void;
  onLegKey(leg: LegId, digit: string): void;
  onSpeakers(callId: string, identities: readonly string[]): void;
  onStats(callId: string, stats: CallAudioStats): void;
  /** The process is gone; always called, once. `expected` when `stop` was called before. */
  onExit(expected: boolean): void;
}

export interface WorkerOptions {
  readonly entry: URL;
  readonly sfuClient: SfuClientChoice;
  readonly g711As: G711As;
  readonly log: Log;
  readonly pingIntervalMs: number;
  /** Pings without an answer after which the worker counts as hung and is killed. */
  readonly missedPings: number;
  readonly events: WorkerEvents;
}

/** The gateway's handle on one worker process. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** Resolves when it takes requests; rejects with MEDIA_FAILED when it ends before. */
  readonly ready: Promise<void>;
  /** Rejects with the worker's GatewayError, or MEDIA_FAILED when it dies or does not answer within `timeoutMs`. */
  request(request: Request, timeoutMs: number): Promise<void>;
  sendKey(key: Omit<Extract<ToWorker, { type: "key" }>, "type">): void;
  sendMembers(members: Omit<Extract<ToWorker, { type: "members" }>, "type">): void;
  sendArrival(arrival: Omit<Extract<ToWorker, { type: "arrival" }>, "type">): void;
  /** Lets it leave its conferences and end; kills it when it does not. Resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * What a worker allocates lives for a frame: V8 would let it pile up to 48 MB between two collections, which then look like memory of the
 * phones. 2 MB are collected in a fraction of a millisecond.
 */
const WORKER_MEMORY = ["--max-semi-space-size=2"] as const;

const STOP_TIMEOUT_MS = 2500;
const START_TIMEOUT_MS = 20_000;
/** What is kept of the last words of a worker, for the log line about its crash. */
const LAST_WORDS_CHARS = 2000;

const workerDied = (): GatewayError =>
  new GatewayError("MEDIA_FAILED", "the media worker of this call died", { retryable: true });

export const startWorkerProcess = (options: WorkerOptions): WorkerProcess => {
  const { events } = options;
  const child = fork(options.entry, [options.sfuClient, options.g711As], {
    // Nothing of how the gateway was started (debugger, test runner) is meant for its workers.
    execArgv: [...WORKER_MEMORY],
    // rtc-node prints its native log (which can show media keys) unless this says production.
    env: { ...process.env, NODE_ENV: "production", RUST_LOG: "off" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
  });
  const log = options.log.child({ workerPid: child.pid });
  const pending = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let nextId = 1;
  let stopping = false;
  const lastWords = collectLastWords(child);

  const { promise: ready, resolve: nowReady, reject: neverReady } = Promise.withResolvers<void>();
  ready.catch(() => {}); // whoever waits for it sees the rejection; nobody has to wait
  const { promise: gone, resolve: nowGone } = Promise.withResolvers<void>();

  const heartbeat = startHeartbeat(options, () => {
    log.error({}, "the media worker does not answer any more and is killed");
    child.kill("SIGKILL");
  });
  const send = (message: ToWorker): void => {
    if (child.connected) child.send(message, () => {}); // a failure to send is followed by "exit"
  };
  // Starting takes as long as it takes on a busy machine; pings count from then on.
  const startTimer = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);

  const settle = (id: number, error?: Error): void => {
    const request = pending.get(id);
    pending.delete(id);
    if (error === undefined) request?.resolve();
    else request?.reject(error);
  };
  const receive = (message: FromWorker): void => {
    switch (message.type) {
      case "ready":
        clearTimeout(startTimer);
        heartbeat.start(() => send({ type: "ping" }));
        nowReady();
        return;
      case "pong":
        heartbeat.answered();
        return;
      case "done":
        settle(message.id);
        return;
      case "failed":
        settle(message.id, new GatewayError(message.code, message.message, { retryable: message.retryable }));
        return;
      case "fact":
        events.onFact(message.callId, message.fact);
        return;
      case "lobbyFact":
        events.onLobbyFact(message.callId, message.fact);
        return;
      case "legKey":
        events.onLegKey(message.legId, message.digit);
        return;
      case "speakers":
        events.onSpeakers(message.callId, message.identities);
        return;
      case "stats":
        events.onStats(message.callId, message.stats);
        return;
      case "log":
        log[message.level](message.fields, message.message);
    }
  };
  child.on("message", (raw) => {
    const message = parseFromWorker(raw);
    if (message === undefined) log.warn({}, "a media worker sent a message that is none");
    else receive(message);
  });
  child.on("error", (error) => log.error({ cause: error.message }, "a media worker could not be started or reached"));
  const onEnd = (code: number | null, signal: string | null): void => {
    clearTimeout(startTimer);
    heartbeat.stop();
    if (!stopping) log.error({ code, signal, lastWords: lastWords() }, "a media worker died");
    neverReady(workerDied());
    for (const id of pending.keys()) settle(id, workerDied());
    nowGone();
    events.onExit(stopping);
  };
  child.once("exit", onEnd);
  // A process that cannot be created has no "exit".
  if (child.pid === undefined) child.once("error", () => onEnd(null, null));

  return {
    pid: child.pid,
    ready,
    request: (request, timeoutMs) => {
      const id = nextId++;
      const answer = new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          const message = `the media worker did not finish "${request.type}" within ${timeoutMs} ms`;
          settle(id, new GatewayError("MEDIA_FAILED", message, { retryable: true }));
        }, timeoutMs);
        pending.set(id, {
          resolve: () => {
            clearTimeout(timer);
            resolve();
          },
          reject: (error) => {
            clearTimeout(timer);
            reject(error);
          },
        });
      });
      if (child.connected) send({ ...request, id });
      else settle(id, workerDied());
      return answer;
    },
    sendKey: (key) => send({ type: "key", ...key }),
    sendArrival: (arrival) => send({ type: "arrival", ...arrival }),
    sendMembers: (members) => send({ type: "members", ...members }),
    async stop() {
      stopping = true;
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await gone;
      clearTimeout(timer);
    },
  };
};

/** Keeps the end of standard error, without lines in which libwebrtc would show a key. */
const collectLastWords = (child: ChildProcess): (() => string) => {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text = (text + part).slice(-LAST_WORDS_CHARS);
  });
  return () =>
    text
      .split("\n")
      .filter((line) => !/secret|derived_key|access_token|join_request/i.test(line))
      .join("\n")
      .trim();
};

/** Counts pings without an answer; by pings, not by time, so that a stall of the gateway itself kills nobody. */
const startHeartbeat = (
  options: Pick<WorkerOptions, "pingIntervalMs" | "missedPings">,
  onHung: () => void,
): { start(ping: () => void): void; answered(): void; stop(): void } => {
  let unanswered = 0;
  let timer: NodeJS.Timeout | undefined;
  return {
    start(ping) {
      timer = setInterval(() => {
        if (unanswered >= options.missedPings) onHung();
        unanswered += 1;
        ping();
      }, options.pingIntervalMs);
    },
    answered() {
      unanswered = 0;
    },
    stop() {
      clearInterval(timer);
    },
  };
};
