import type { KeyObject } from "node:crypto";

import type { Clock } from "../../../clock.ts";
import type { Frame } from "../../frame.ts";
import { decryptFrame } from "./frame-crypto.ts";
import { createReorder } from "./reorder.ts";
import { PAYLOAD_TYPE, parseRtp, type RtpCodec, type RtpPacket } from "./rtp.ts";

/** Frames in a row that cannot be decrypted, until the track counts as such: around a key rotation single ones are normal. */
const UNDECRYPTABLE_AFTER = 5;
/** Beyond a second there is nothing for a decoder to fill in. */
const MAX_LOST = 50;
/** 50 or 100 packets a second are audio, several times that is what piled up while we were stopped. More is thrown away unread. */
const MAX_PACKETS_PER_SECOND = 600;

const CODECS: ReadonlyMap<number, RtpCodec> = new Map(
  Object.entries(PAYLOAD_TYPE).map(([codec, payloadType]) => [payloadType, codec as RtpCodec]),
);

export interface IncomingOptions {
  readonly clock: Clock;
  /** Absent in a room without encryption. */
  readonly keyOf?: (index: number) => KeyObject | undefined;
  /** How a frame ends that the SFU has put in itself; empty when it does not say. */
  readonly injectedTrailer: Uint8Array;
  readonly onFrame: (frame: Frame) => void;
  readonly onUndecryptable: (undecryptable: boolean) => void;
  readonly onMissing: (ssrc: number, sequences: readonly number[]) => void;
}

/** The packets of one remote track, made into frames in order, decrypted and still encoded. */
export interface Incoming {
  push(packet: Buffer): void;
  /** Throws away what waits for its turn. */
  flush(): void;
  counts(): IncomingCounts;
}

/** Packets that did not become a frame, by what was wrong with them. */
export interface IncomingCounts {
  readonly malformed: number;
  readonly wrongPayloadType: number;
  readonly undecryptable: number;
  readonly tooMany: number;
}

export const createIncoming = (options: IncomingOptions): Incoming => {
  const { clock, keyOf, injectedTrailer } = options;
  const counts = { malformed: 0, wrongPayloadType: 0, undecryptable: 0, tooMany: 0 };
  const isTooMany = createRateLimit(clock, MAX_PACKETS_PER_SECOND);
  let ssrc: number | undefined;
  let lost = 0;
  let failuresInARow = 0;

  const isInjected = (payload: Uint8Array): boolean =>
    injectedTrailer.length > 0 &&
    payload.length >= injectedTrailer.length &&
    Buffer.compare(payload.subarray(-injectedTrailer.length), injectedTrailer) === 0;
  const noteDecrypted = (decrypted: boolean): void => {
    const before = failuresInARow;
    failuresInARow = decrypted ? 0 : failuresInARow + 1;
    if (failuresInARow === UNDECRYPTABLE_AFTER) options.onUndecryptable(true);
    else if (decrypted && before >= UNDECRYPTABLE_AFTER) options.onUndecryptable(false);
  };
  const open = (payload: Uint8Array): Uint8Array | undefined => {
    if (keyOf === undefined) return payload;
    const plain = decryptFrame(payload, keyOf);
    noteDecrypted(plain !== undefined);
    return plain;
  };
  const onPacket = ({ payloadType, payload }: RtpPacket, lostBefore: number): void => {
    lost = Math.min(MAX_LOST, lost + lostBefore);
    // Padding probes the network; silence that the SFU puts in for a muted track stands for nothing that was said.
    if (payload.length === 0 || isInjected(payload)) return;
    const codec = CODECS.get(payloadType);
    if (codec === undefined) {
      counts.wrongPayloadType += 1;
      return;
    }
    const plain = open(payload);
    if (plain === undefined) {
      counts.undecryptable += 1;
      lost = Math.min(MAX_LOST, lost + 1);
      return;
    }
    const frame: Frame = { codec, payload: plain, lost };
    lost = 0;
    options.onFrame(frame);
  };
  const reorder = createReorder({
    clock,
    onPacket,
    onMissing: (sequences) => options.onMissing(ssrc ?? 0, sequences),
  });

  return {
    push(raw) {
      if (isTooMany()) {
        counts.tooMany += 1;
        return;
      }
      const packet = parseRtp(raw);
      if (packet === undefined) {
        counts.malformed += 1;
        return;
      }
      if (packet.ssrc !== ssrc) {
        // Another stream in the same section: nothing is missing before its first packet.
        reorder.reset();
        ssrc = packet.ssrc;
        lost = 0;
      }
      reorder.push(packet);
    },
    flush() {
      reorder.reset();
      lost = 0;
    },
    counts: () => ({ ...counts }),
  };
};

const createRateLimit = (clock: Pick<Clock, "nowMs">, perSecond: number): (() => boolean) => {
  let secondEndsMs = 0;
  let count = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs >= secondEndsMs) {
      secondEndsMs = nowMs + 1000;
      count = 0;
    }
    count += 1;
    return count > perSecond;
  };
};
