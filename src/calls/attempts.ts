import { toGatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Release } from "./call.ts";
import type { CallEvent } from "./states.ts";

type Origin = Pick<Extract<CallEvent, { type: "operation.failed" }>, "operation" | "epoch" | "legId">;

/** The ways an effect calls a port. Each calls at once and never throws; a synchronous throw of the port counts as its failure. */
export interface Attempts {
  /** A step of the call: its result, or `operation.failed`, becomes an event. */
  step<T>(origin: Origin, run: () => Promise<T>, done: (value: T) => CallEvent): void;
  /** Nothing depends on it: a failure is only logged. */
  aside(what: string, run: () => Promise<void>): void;
  /** Closes a part of the call: the event says that it came back, a failure is logged. */
  release(what: Release, run: () => Promise<void>): void;
}

export const createAttempts = ({
  log,
  post,
}: {
  readonly log: Log;
  readonly post: (event: CallEvent) => void;
}): Attempts => {
  const eventOf = async <T>(
    origin: Origin,
    run: () => Promise<T>,
    done: (value: T) => CallEvent,
  ): Promise<CallEvent> => {
    try {
      return done(await run());
    } catch (thrown) {
      const { code, message, retryable } = toGatewayError(thrown);
      log.warn({ operation: origin.operation, code, message }, "a step of the call failed");
      return { type: "operation.failed", ...origin, code, message, retryable };
    }
  };
  const settle = async (what: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ what, code, message }, "a step beside the call failed");
    }
  };
  return {
    step: (origin, run, done) => void eventOf(origin, run, done).then(post),
    aside: (what, run) => void settle(what, run),
    release: (what, run) => void settle(`close ${what}`, run).then(() => post({ type: "release.done", what })),
  };
};
