import type { Clock } from "../../../clock.ts";

/**
 * How long the SFU may take to say why it has closed the media connection: what it says comes by another way, through Redis, and often
 * later (livekit-server 1.13.5). Without waiting, a phone that was removed or replaced would join again.
 */
const REASON_TIMEOUT_MS = 1000;

/** Why a connection is over: said by the server, or found out. `gone`: joining again is pointless (kicked, replaced). */
export interface SessionEnd {
  readonly kind: "gone" | "broken";
  readonly message: string;
}

/** How a session ends: once, for the first reason there is. */
export interface Ending {
  /** Undefined while the session goes on, and when we closed it. */
  readonly reason: SessionEnd | undefined;
  end(reason: SessionEnd): void;
  /** Ends it as broken unless the server gives its own reason soon. */
  endUnlessExplained(message: string): void;
  /** We end it: nothing is said any more. */
  close(): void;
}

export const createEnding = (clock: Pick<Clock, "after">, onEnd: (reason: SessionEnd) => void): Ending => {
  let reason: SessionEnd | undefined;
  let closed = false;
  let stopWaiting: (() => void) | undefined;

  const end = (next: SessionEnd): void => {
    if (closed || reason !== undefined) return;
    reason = next;
    stopWaiting?.();
    onEnd(next);
  };
  return {
    get reason() {
      return reason;
    },
    end,
    endUnlessExplained(message) {
      stopWaiting ??= clock.after(REASON_TIMEOUT_MS, () => end({ kind: "broken", message }));
    },
    close() {
      closed = true;
      stopWaiting?.();
    },
  };
};
