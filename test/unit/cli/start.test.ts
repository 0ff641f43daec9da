import { describe, expect, test } from "@jest/globals";
import { EventEmitter } from "node:events";
import { runUntilSignal } from "../../../src/cli/start.ts";
import type { Log } from "../../../src/log.ts";

const setUp = (stop: () => Promise<void> = () => Promise.resolve()) => {
  const lines: string[] = [];
  const write = (_: unknown, message: string): void => void lines.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const events = new EventEmitter();
  const started = Promise.withResolvers<void>();
  const code = runUntilSignal({
    begin: async () => {
      started.resolve();
      return { stop };
    },
    events,
    log,
    stopTimeoutMs: 50,
  });
  return { lines, events, started: started.promise, code };
};

describe("start", () => {
  test.each(["SIGINT", "SIGTERM"])("%s stops it and ends with 0", async (signal) => {
    let stops = 0;
    const run = setUp(async () => {
      stops += 1;
    });
    await run.started;
    run.events.emit(signal);
    expect(await run.code).toBe(0);
    expect(stops).toBe(1);
    expect(run.lines).toEqual(["the gateway stops", "the gateway has stopped"]);
    expect(run.events.eventNames()).toEqual([]);
  });

  test("a stop that hangs is given up", async () => {
    const run = setUp(() => new Promise(() => {}));
    await run.started;
    run.events.emit("SIGTERM");
    expect(await run.code).toBe(1);
    expect(run.lines.at(-1)).toBe("the gateway did not stop cleanly");
  });

  test("a second signal does not wait for the first", async () => {
    const stopping = Promise.withResolvers<void>();
    const run = setUp(() => {
      stopping.resolve();
      return new Promise(() => {});
    });
    await run.started;
    run.events.emit("SIGINT");
    await stopping.promise;
    run.events.emit("SIGINT");
    expect(await run.code).toBe(1);
  });

  test("a signal while it starts stops it once it has started", async () => {
    const begun = Promise.withResolvers<{ stop(): Promise<void> }>();
    const events = new EventEmitter();
    let stops = 0;
    const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log };
    const code = runUntilSignal({ begin: () => begun.promise, events, log });
    events.emit("SIGTERM");
    begun.resolve({
      stop: async () => {
        stops += 1;
      },
    });
    expect(await code).toBe(0);
    expect(stops).toBe(1);
  });

  test("a rejection in the background is logged and ends nothing; an exception ends it with 1", async () => {
    const run = setUp();
    await run.started;
    run.events.emit("unhandledRejection", new Error("key backup"));
    run.events.emit("uncaughtException", new Error("broken"));
    expect(await run.code).toBe(1);
    expect(run.lines.slice(0, 2)).toEqual(["unexpected rejection", "unexpected error, the gateway stops"]);
  });

  test("a start that fails is told, and no listener stays", async () => {
    const events = new EventEmitter();
    const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log };
    const begin = () => Promise.reject(new Error("homeserver away"));
    await expect(runUntilSignal({ begin, events, log })).rejects.toThrow("homeserver away");
    expect(events.eventNames()).toEqual([]);
  });
});
