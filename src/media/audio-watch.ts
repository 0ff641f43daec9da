import type { AudioDirection } from "../calls/ports.ts";
import type { WorkerFact } from "./ipc.ts";

/** A direction in which nothing at all arrives for this long is reported. */
const SILENT_AFTER_MS = 10_000;

/** Turns what passes in both directions of a call into facts. */
export interface AudioWatch {
  /** Something to hear has passed. */
  heard(direction: AudioDirection): void;
  /** Something arrived, or nothing could be expected. */
  fine(direction: AudioDirection): void;
  /** Looks whether a direction has been dead for too long; only while audio ought to pass. */
  check(direction: AudioDirection): void;
  /** The bridge opened, or hold ended. */
  restart(): void;
}

export const createAudioWatch = (nowMs: () => number, onFact: (fact: WorkerFact) => void): AudioWatch => {
  const flowing = { fromPhone: false, toPhone: false };
  const fineAtMs = { fromPhone: 0, toPhone: 0 };
  const reported = { fromPhone: false, toPhone: false };
  const fine = (direction: AudioDirection): void => {
    fineAtMs[direction] = nowMs();
    reported[direction] = false;
  };
  return {
    heard(direction) {
      if (flowing[direction]) return;
      flowing[direction] = true;
      onFact({ type: "media.flowing", direction });
    },
    fine,
    check(direction) {
      if (reported[direction] || nowMs() - fineAtMs[direction] < SILENT_AFTER_MS) return;
      reported[direction] = true;
      onFact({ type: "media.silent", direction });
    },
    restart() {
      fine("fromPhone");
      fine("toPhone");
    },
  };
};
