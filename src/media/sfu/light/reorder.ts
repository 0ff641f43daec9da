import type { Clock } from "../../../clock.ts";
import type { RtpPacket } from "./rtp.ts";

/** A packet that is missing is waited for this long: two frames, in which the SFU can also send it again. */
const WAIT_MS = 40;
/** A jump of more packets is not loss but a new beginning. */
const MAX_GAP = 64;
/** Old packets in a row that are not stragglers or replays but a stream that counts anew. */
const MAX_OLD_IN_A_ROW = 16;

export interface ReorderOptions {
  readonly clock: Pick<Clock, "after">;
  /** The next packet in order. `lost`: packets before it that did not come in time. */
  readonly onPacket: (packet: RtpPacket, lost: number) => void;
  /** Sequence numbers found missing just now. */
  readonly onMissing: (sequences: readonly number[]) => void;
}

/** Brings the packets of one stream in order: at once while none is missing, else after a short wait. Each comes out once. */
export interface Reorder {
  push(packet: RtpPacket): void;
  /** Forgets what waits; the next packet is the first one. */
  reset(): void;
}

/** From `to` back to `from` on the circle of 16-bit numbers: -32768 to 32767. */
const distance = (from: number, to: number): number => ((to - from) << 16) >> 16;

export const createReorder = ({ clock, onPacket, onMissing }: ReorderOptions): Reorder => {
  /** Those after a gap, by sequence number. */
  const waiting = new Map<number, RtpPacket>();
  let expected: number | undefined;
  let oldInARow = 0;
  let cancelWait: (() => void) | undefined;

  const stopWaiting = (): void => {
    cancelWait?.();
    cancelWait = undefined;
  };
  const deliver = (packet: RtpPacket, lost: number): void => {
    expected = (packet.sequence + 1) & 0xffff;
    onPacket(packet, lost);
  };
  const deliverFollowing = (): void => {
    for (let next = waiting.get(expected!); next !== undefined; next = waiting.get(expected!)) {
      waiting.delete(next.sequence);
      deliver(next, 0);
    }
  };
  const nearest = (): RtpPacket | undefined => {
    let found: RtpPacket | undefined;
    for (const packet of waiting.values()) {
      if (found === undefined || distance(packet.sequence, found.sequence) > 0) found = packet;
    }
    return found;
  };
  const giveUpGap = (): void => {
    cancelWait = undefined;
    const next = nearest();
    if (next === undefined || expected === undefined) return;
    waiting.delete(next.sequence);
    deliver(next, distance(expected, next.sequence));
    deliverFollowing();
    wait();
  };
  const wait = (): void => {
    if (waiting.size > 0) cancelWait ??= clock.after(WAIT_MS, giveUpGap);
  };
  const giveUpAll = (): void => {
    stopWaiting();
    while (waiting.size > 0) {
      giveUpGap();
      stopWaiting();
    }
  };
  /** The numbers between what is known and a packet that has come too early. */
  const missingBefore = (sequence: number): number[] => {
    const missing: number[] = [];
    for (let number = (sequence - 1) & 0xffff; ; number = (number - 1) & 0xffff) {
      if (distance(expected!, number) < 0 || waiting.has(number)) return missing.reverse();
      missing.push(number);
    }
  };

  const reset = (): void => {
    stopWaiting();
    waiting.clear();
    expected = undefined;
    oldInARow = 0;
  };

  return {
    reset,
    push(packet) {
      expected ??= packet.sequence;
      const ahead = distance(expected, packet.sequence);
      if (ahead < 0) {
        oldInARow += 1;
        if (oldInARow > MAX_OLD_IN_A_ROW) reset();
        return;
      }
      oldInARow = 0;
      if (ahead === 0) {
        deliver(packet, 0);
        deliverFollowing();
        if (waiting.size === 0) stopWaiting();
      } else if (ahead > MAX_GAP) {
        giveUpAll();
        deliver(packet, distance(expected, packet.sequence));
      } else if (!waiting.has(packet.sequence)) {
        const missing = missingBefore(packet.sequence);
        waiting.set(packet.sequence, packet);
        if (missing.length > 0) onMissing(missing);
        wait();
      }
    },
  };
};
