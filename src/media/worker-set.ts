import { GatewayError } from "../errors.ts";
import type { CallId, RoomId } from "../ids.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** One that takes calls and one warm: a call never waits for a process, and a crash is answered at once. */
const MIN_WORKERS = 2;
/** A worker that lived less than this has something wrong with its start: the next one is not started at once. */
const HEALTHY_AFTER_MS = 5000;
const RESTART_DELAY_MS = 2000;

export interface Worker {
  readonly process: WorkerProcess;
  readonly calls: Set<CallId>;
  /** Rooms with the number of their calls here. */
  readonly rooms: Map<RoomId, number>;
  joins: number;
}

export interface WorkerInfo {
  readonly pid: number | undefined;
  readonly calls: number;
  /** Takes no new room any more and ends with its last call. */
  readonly draining: boolean;
}

export interface WorkerSetOptions {
  readonly maxCallsPerWorker: number;
  readonly maxJoinsPerWorker: number;
  readonly start: (onExit: (expected: boolean) => void) => WorkerProcess;
  /** A worker died; these calls were in it. */
  readonly onLost: (calls: readonly CallId[]) => void;
}

/** Which worker carries which call, and that there is always one more worker than needed. */
export interface WorkerSet {
  /** Counts a join; `current` is the worker of a call that joins again. */
  assign(call: CallId, room: RoomId, current: Worker | undefined): Worker;
  release(worker: Worker, call: CallId, room: RoomId): void;
  /** Resolves when one worker is ready; rejects with MEDIA_FAILED when none can be started. */
  ready(): Promise<void>;
  list(): readonly WorkerInfo[];
  close(): Promise<void>;
}

export const createWorkerSet = (options: WorkerSetOptions): WorkerSet => {
  const workers = new Set<Worker>();
  let closed = false;
  let restart: NodeJS.Timeout | undefined;

  const isDraining = (worker: Worker): boolean => worker.joins >= options.maxJoinsPerWorker;
  const isFull = (worker: Worker): boolean => worker.calls.size >= options.maxCallsPerWorker;

  const onExit = (worker: Worker, startedAtMs: number, expected: boolean): void => {
    workers.delete(worker);
    const lost = [...worker.calls];
    if (!expected && performance.now() - startedAtMs < HEALTHY_AFTER_MS) {
      restart ??= setTimeout(() => {
        restart = undefined;
        keepWarm();
      }, RESTART_DELAY_MS);
    } else keepWarm();
    options.onLost(lost);
  };
  const startWorker = (): Worker => {
    const startedAtMs = performance.now();
    const worker: Worker = {
      calls: new Set(),
      rooms: new Map(),
      joins: 0,
      process: options.start((expected) => onExit(worker, startedAtMs, expected)),
    };
    workers.add(worker);
    return worker;
  };
  const end = (worker: Worker): void => {
    workers.delete(worker);
    void worker.process.stop();
  };
  /** Starts what is missing; ends what is drained, and what is idle beyond the spare one. */
  const keepWarm = (): void => {
    if (closed) return;
    for (const worker of workers) if (isDraining(worker) && worker.calls.size === 0) end(worker);
    const usable = [...workers].filter((worker) => !isDraining(worker));
    const idle = usable.filter((worker) => worker.calls.size === 0);
    const wanted = Math.max(MIN_WORKERS, usable.length - idle.length + 1);
    for (let count = usable.length; count < wanted; count++) startWorker();
    for (const worker of idle.slice(0, Math.max(0, usable.length - wanted))) end(worker);
  };
  /** The room's worker; else the fullest one that has room, so that few processes run; else a new one. */
  const choose = (room: RoomId): Worker => {
    const open = [...workers].filter((worker) => !isFull(worker));
    const ofRoom = open.find((worker) => worker.rooms.has(room));
    if (ofRoom !== undefined) return ofRoom;
    const usable = open.filter((worker) => !isDraining(worker));
    usable.sort((a, b) => b.calls.size - a.calls.size);
    return usable[0] ?? startWorker();
  };

  keepWarm();
  return {
    assign(call, room, current) {
      const worker = current ?? choose(room);
      if (!worker.calls.has(call)) worker.rooms.set(room, (worker.rooms.get(room) ?? 0) + 1);
      worker.calls.add(call);
      worker.joins += 1;
      keepWarm();
      return worker;
    },
    release(worker, call, room) {
      if (!worker.calls.delete(call)) return;
      const left = (worker.rooms.get(room) ?? 1) - 1;
      if (left > 0) worker.rooms.set(room, left);
      else worker.rooms.delete(room);
      keepWarm();
    },
    async ready() {
      try {
        await Promise.any([...workers].map((worker) => worker.process.ready));
      } catch (error) {
        throw new GatewayError("MEDIA_FAILED", "no media worker could be started (its last words are in the log)", {
          cause: error,
        });
      }
    },
    list: () =>
      [...workers].map((worker) => ({
        pid: worker.process.pid,
        calls: worker.calls.size,
        draining: isDraining(worker),
      })),
    async close() {
      closed = true;
      clearTimeout(restart);
      await Promise.all([...workers].map((worker) => worker.process.stop()));
    },
  };
};
