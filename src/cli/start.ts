import { loadConfig } from "../config/load.ts";
import { secretsOf } from "../config/summary.ts";
import type { Log } from "../log.ts";
import { createLogger } from "../observability/logger.ts";
import { type Command, CONFIG_OPTION, configFileOf, type ExitCode, expectPositionals } from "./command.ts";

/** Longer than the gateway's own bound (10 s), shorter than what systemd waits before it kills (90 s). */
const STOP_TIMEOUT_MS = 20_000;

export interface Stoppable {
  stop(): Promise<void>;
}

type StopReason = "SIGINT" | "SIGTERM" | "uncaughtException";

/** The part of `process` that is used here. */
export interface ProcessEvents {
  on(event: StopReason | "unhandledRejection", listener: (thrown: unknown) => void): unknown;
  off(event: StopReason | "unhandledRejection", listener: (thrown: unknown) => void): unknown;
}

/**
 * Starts and stays until a signal comes; then stops, within `stopTimeoutMs`. A second signal does not wait. A signal while it starts
 * stops it as soon as it has started. Rejects with what `begin` rejects with.
 */
export const runUntilSignal = async (deps: {
  readonly begin: () => Promise<Stoppable>;
  readonly events: ProcessEvents;
  readonly log: Log;
  readonly stopTimeoutMs?: number;
}): Promise<ExitCode> => {
  const { begin, events, log, stopTimeoutMs = STOP_TIMEOUT_MS } = deps;
  const asked = Promise.withResolvers<StopReason>();
  const impatient = Promise.withResolvers<"again">();
  let signals = 0;

  const onSignal = (reason: StopReason) => (): void => {
    signals += 1;
    if (signals === 1) asked.resolve(reason);
    else impatient.resolve("again");
  };
  const onException = (thrown: unknown): void => {
    log.error({ error: thrown }, "unexpected error, the gateway stops");
    asked.resolve("uncaughtException");
  };
  // The SDKs leave rejections in the background (js-sdk: key backup, stopped clients). No reason to end calls.
  const onRejection = (thrown: unknown): void => log.error({ error: thrown }, "unexpected rejection");

  const listeners = [
    ["SIGINT", onSignal("SIGINT")],
    ["SIGTERM", onSignal("SIGTERM")],
    ["uncaughtException", onException],
    ["unhandledRejection", onRejection],
  ] as const;
  for (const [event, listener] of listeners) events.on(event, listener);
  try {
    const running = await Promise.race([begin(), impatient.promise]);
    if (running === "again") return 1;
    const reason = await asked.promise;
    log.info({ reason }, "the gateway stops");
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), stopTimeoutMs);
    const how = await Promise.race([running.stop(), impatient.promise, late.promise]);
    clearTimeout(timer);
    if (how === undefined) log.info({}, "the gateway has stopped");
    else log.error({ how, stopTimeoutMs }, "the gateway did not stop cleanly");
    return how === undefined && reason !== "uncaughtException" ? 0 : 1;
  } finally {
    for (const [event, listener] of listeners) events.off(event, listener);
  }
};

export const start: Command = {
  name: "start",
  summary: "Run the gateway until SIGINT or SIGTERM",
  options: CONFIG_OPTION,
  run: async (input, io) => {
    expectPositionals(input, []);
    const config = loadConfig({ file: configFileOf(input), environment: io.environment });
    const { level, showNumbers } = config.logging;
    // Loaded here: the other commands must not wait for the SDKs.
    const { startGateway } = await import("../app.ts");
    return runUntilSignal({
      begin: () => startGateway(config),
      events: process,
      log: createLogger({ level, showNumbers, secrets: secretsOf(config) }),
    });
  },
};
