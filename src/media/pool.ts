import type { LegMedia, MediaFact, MediaKey, MediaPort, MediaSession } from "../calls/ports.ts";
import type { PromptName } from "../calls/voice.ts";
import { GatewayError } from "../errors.ts";
import type { CallId, LegId, RoomId } from "../ids.ts";
import type { Log } from "../log.ts";
import { createArrivals } from "./arrivals.ts";
import { createKeyStore, type KeyStore } from "./key-store.ts";
import { createLobbyPool } from "./lobby-pool.ts";
import type { LobbyPort } from "./lobby-port.ts";
import { createMembers } from "./members.ts";
import type { G711As } from "./phone-sfu.ts";
import type { SfuClientChoice } from "./sfu/choose.ts";
import type { CallAudioStats } from "./stats.ts";
import { type Request, startWorkerProcess, type WorkerOptions } from "./worker-process.ts";
import { createWorkerSet, type Worker, type WorkerInfo } from "./worker-set.ts";

export interface MediaPoolOptions {
  readonly log: Log;
  /** Calls that one worker carries; the 61st call of a room gets a second worker and hears the others through the SFU. */
  readonly maxCallsPerWorker?: number;
  /** Joins after which a worker takes no new room and ends with its last call: rtc-node keeps 0.5 MB per room it was in. */
  readonly maxJoinsPerWorker?: number;
  /** Which library the workers join the SFU with; default: `auto`. */
  readonly sfuClient?: SfuClientChoice;
  /** Default: `g711`, unchanged. */
  readonly g711As?: G711As;
  /** Whether phones hear a tone when somebody else comes or goes; default: no. */
  readonly joinTones?: boolean;
  readonly pingIntervalMs?: number;
  readonly missedPings?: number;
  /** The last figures of a call that left or whose worker died: for the log line and the metrics of its end. */
  readonly onCallEnded?: (call: CallId, stats: CallAudioStats) => void;
  /** A key of a phone whose keys come with its audio (leg rooms); the SIP engine hears of all others itself. */
  readonly onLegKey?: ((leg: LegId, digit: string) => void) | undefined;
  /** LiveKit identities of the members that can be heard at the SFU; told after a join, and at changes of the members until the call is bridged. */
  readonly onSpeakers?: (call: CallId, identities: readonly string[]) => void;
  /** A worker died and is replaced. */
  readonly onWorkerLost?: () => void;
  /** Entry of the worker process; default: `worker.ts` or `worker.js` beside this file. */
  readonly workerEntry?: URL;
}

export interface MediaPool extends MediaPort {
  /** Phones that are in no conference yet. */
  readonly lobby: LobbyPort;
  /** Presses keys towards a phone whose keys go with its audio. Rejects with MEDIA_FAILED. */
  press(leg: LegId, keys: string): Promise<void>;
  /** Resolves when a worker takes calls; for the checks at start. Rejects with MEDIA_FAILED when it cannot be started. */
  ready(): Promise<void>;
  /** At most 5 s old; undefined before the first report and after `leave`. */
  stats(call: CallId): CallAudioStats | undefined;
  /** For metrics. */
  workers(): readonly WorkerInfo[];
  /** Ends all workers; resolves when they are gone. */
  close(): Promise<void>;
}

/** The extension follows this file: .ts in the sources, .js in dist. */
const WORKER_ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
const TIMEOUT_MS = { join: 10_000, attach: 6000 } as const;
/** For everything that only changes what the worker does. */
const SHORT_TIMEOUT_MS = 2000;

/** What only concerns the phone of a call. */
const controlsOf = (ask: (request: Extract<Request, { callId: string }>) => Promise<void>) => ({
  setHeld: (callId: CallId, held: boolean) => ask({ type: "setHeld", callId, held }),
  setMuted: (callId: CallId, muted: boolean) => ask({ type: "setMuted", callId, muted }),
  setVolume: (callId: CallId, gainDb: number) => ask({ type: "setVolume", callId, gainDb }),
  prompt: (callId: CallId, name: PromptName) => ask({ type: "prompt", callId, name }),
  promptCount: (callId: CallId, people: number) => ask({ type: "promptCount", callId, people }),
  stopMusic: (callId: CallId) => ask({ type: "stopMusic", callId }),
});

const workerOptionsOf = (options: MediaPoolOptions): Omit<WorkerOptions, "events"> => ({
  entry: options.workerEntry ?? WORKER_ENTRY,
  sfuClient: options.sfuClient ?? "auto",
  g711As: options.g711As ?? "g711",
  log: options.log,
  pingIntervalMs: options.pingIntervalMs ?? 1000,
  missedPings: options.missedPings ?? 5,
});

interface Call {
  readonly worker: Worker;
  readonly roomId: RoomId;
  /** LiveKit identity of its ghost. */
  readonly identity: string;
  onFact: (fact: MediaFact) => void;
  /** Of a phone whose keys go with its audio. */
  leg?: LegId;
  stats?: CallAudioStats;
  isLeaving?: true;
}

const sendKey = (callId: CallId, worker: Worker, { identity, index, key }: MediaKey): void => {
  worker.process.sendKey({ callId, identity, index, key: Buffer.from(key).toString("base64") });
};

/**
 * Whom else to give a member's key: a worker needs it once. A ghost of a full room looks rarely for its keys (matrix/rtc/sync-pace.ts), and
 * those that watch may all have their calls in another worker.
 */
const oneOfEachWorker = (others: readonly [CallId, Call][], except: Worker): readonly [CallId, Call][] => {
  const first = new Map<Worker, [CallId, Call]>();
  for (const one of others) if (!first.has(one[1].worker)) first.set(one[1].worker, one);
  first.delete(except);
  return [...first.values()];
};

/**
 * Ghosts send each other no media keys (it would be N² to-device messages), and phones of one worker need none. Those of a room that has
 * outgrown its worker hear each other through the SFU, so the keys are handed over here.
 */
const createKeySharing = (calls: ReadonlyMap<CallId, Call>, keys: KeyStore) => {
  const phonesIn = (roomId: RoomId, except: CallId): readonly [CallId, Call][] =>
    [...calls].filter(([id, call]) => call.roomId === roomId && id !== except);

  const take = (callId: CallId, key: MediaKey): void => {
    keys.add(callId, key);
    const call = calls.get(callId);
    if (call !== undefined) sendKey(callId, call.worker, key);
  };

  return {
    /** What the phones of the room and one that joins have to know of each other. */
    joining: (callId: CallId, roomId: RoomId, identity: string): void => {
      const own = keys.of(callId).filter((key) => key.identity === identity);
      const others = phonesIn(roomId, callId);
      // A newcomer of a full room has its members' keys late, the oldest phone has them in time (matrix/rtc/sync-pace.ts).
      const [oldest] = others;
      const early = oldest === undefined ? [] : keys.of(oldest[0]);
      for (const key of [...early, ...keys.of(callId)]) keys.add(callId, key);
      for (const [otherId, other] of others) {
        for (const key of keys.of(otherId)) if (key.identity === other.identity) keys.add(callId, key);
        for (const key of own) take(otherId, key);
      }
    },
    setKey: (callId: CallId, key: MediaKey): void => {
      take(callId, key);
      const call = calls.get(callId);
      if (call === undefined) return;
      const others = phonesIn(call.roomId, callId);
      const takers = call.identity === key.identity ? others : oneOfEachWorker(others, call.worker);
      for (const [otherId] of takers) take(otherId, key);
    },
  };
};

/** A worker that was still starting would be told of the join after the leave, and keep the call for ever. Throws MEDIA_FAILED. */
const expectThere = (call: Call | undefined, worker: Worker): void => {
  if (call?.worker === worker && call.isLeaving !== true) return;
  throw new GatewayError("MEDIA_FAILED", "the call left while its media worker was starting");
};

const eventsFor = (
  { onLegKey, onSpeakers }: MediaPoolOptions,
  calls: ReadonlyMap<CallId, Call>,
): Omit<WorkerOptions["events"], "onExit" | "onLobbyFact"> => ({
  onFact: (callId, fact) => calls.get(callId as CallId)?.onFact(fact),
  onLegKey: (leg, digit) => onLegKey?.(leg, digit),
  onSpeakers: (callId, identities) => onSpeakers?.(callId as CallId, identities),
  onStats: (callId, stats) => {
    const call = calls.get(callId as CallId);
    if (call !== undefined) call.stats = stats;
  },
});

const nowMs = (): number => performance.now();

/**
 * MediaPort over worker processes. All calls of a room share a worker as long as they fit, so that the conference is received
 * once; a spare worker is always warm; a worker that dies or hangs costs its calls a `media.workerLost` and nothing else.
 */
export const createMediaPool = (options: MediaPoolOptions): MediaPool => {
  const { log } = options;
  const calls = new Map<CallId, Call>();
  const keys = createKeyStore();
  const sharing = createKeySharing(calls, keys);
  const members = createMembers(calls, (callId) => (options.joinTones === true ? arrivals.review(callId) : undefined));
  const arrivals = createArrivals({ phones: calls, membersOf: (callId) => members.of(callId), nowMs });
  const lobby = createLobbyPool({ workers: () => workers, log });
  let closed = false;

  const forget = (callId: CallId): void => {
    const call = calls.get(callId);
    if (call === undefined) return;
    calls.delete(callId);
    workers.release(call.worker, callId, call.roomId);
    members.left(call.roomId, call.worker);
    if (call.stats !== undefined) options.onCallEnded?.(callId, call.stats);
  };

  const workers = createWorkerSet({
    maxCallsPerWorker: options.maxCallsPerWorker ?? 60,
    maxJoinsPerWorker: options.maxJoinsPerWorker ?? 200,
    start: (onExit) =>
      startWorkerProcess({
        ...workerOptionsOf(options),
        events: {
          ...eventsFor(options, calls),
          onLobbyFact: (callId, fact) => lobby.onFact(callId as CallId, fact),
          onExit,
        },
      }),
    onLost(callIds) {
      const facts = callIds.map((callId) => calls.get(callId)?.onFact);
      for (const callId of callIds) forget(callId);
      lobby.lost(callIds);
      options.onWorkerLost?.();
      for (const onFact of facts) onFact?.({ type: "media.workerLost" });
    },
  });

  const ask = async (request: Extract<Request, { callId: string }>): Promise<void> => {
    const call = calls.get(request.callId as CallId);
    if (call === undefined) throw new GatewayError("MEDIA_FAILED", "the call has no media session (join it first)");
    const timeoutMs = request.type === "attach" ? TIMEOUT_MS.attach : SHORT_TIMEOUT_MS;
    await call.worker.process.request(request, timeoutMs);
  };

  const join = async (session: MediaSession, onFact: (fact: MediaFact) => void): Promise<void> => {
    if (closed) throw new GatewayError("SHUTTING_DOWN", "the gateway is ending");
    const { callId, roomId, access, voice } = session;
    const known = calls.get(callId);
    const worker = workers.assign(callId, roomId, known?.worker);
    if (known === undefined) calls.set(callId, { worker, roomId, identity: access.identity, onFact });
    else known.onFact = onFact;
    sharing.joining(callId, roomId, access.identity);
    const joining = { ...access, callId, roomId, voice };
    const request: Request = { type: "join", callId, session: joining };
    try {
      await worker.process.ready;
      expectThere(calls.get(callId), worker);
      const joined = worker.process.request(request, TIMEOUT_MS.join);
      // Right behind the join: the pipe keeps the order, so the worker knows the call, and has its keys before it hears anybody.
      for (const key of keys.of(callId)) sendKey(callId, worker, key);
      members.joined(callId);
      await joined;
    } catch (error) {
      if (known === undefined) forget(callId);
      throw error;
    }
  };

  const leave = async (callId: CallId): Promise<void> => {
    keys.drop(callId);
    members.drop(callId);
    arrivals.left(callId);
    const call = calls.get(callId);
    if (call === undefined) return;
    call.isLeaving = true;
    try {
      await ask({ type: "leave", callId });
    } catch (error) {
      log.warn({ callId, cause: String(error) }, "a call did not leave its conference cleanly");
    }
    forget(callId);
  };

  const attach = async (callId: CallId, media: LegMedia): Promise<void> => {
    await ask({ type: "attach", callId, media });
    const call = calls.get(callId);
    if (call !== undefined && media.kind === "livekit-room") call.leg = media.legId;
  };

  const press = async (leg: LegId, keys: string): Promise<void> => {
    const [callId] = [...calls].find(([, call]) => call.leg === leg) ?? [];
    if (callId === undefined) throw new GatewayError("MEDIA_FAILED", "the phone has no audio");
    await ask({ type: "press", callId, keys });
  };

  return {
    lobby,
    join,
    attach,
    press,
    bridge: async (callId: CallId) => {
      await ask({ type: "bridge", callId });
      if (options.joinTones === true && calls.get(callId)?.isLeaving !== true) arrivals.bridged(callId);
    },
    ...controlsOf(ask),
    setKey: sharing.setKey,
    setMembers: (callId, identities) => members.set(callId, identities),
    leave,
    ready: () => workers.ready(),
    stats: (callId) => calls.get(callId)?.stats,
    workers: () => workers.list(),
    async close() {
      closed = true;
      await workers.close();
    },
  };
};
