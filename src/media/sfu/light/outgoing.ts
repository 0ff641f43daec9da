import { type KeyObject, randomInt } from "node:crypto";

import type { Frame } from "../../frame.ts";
import { createFrameEncryptor } from "./frame-crypto.ts";
import { PAYLOAD_TYPE, RTP_HEADER_BYTES, type RtpCodec, senderReport, TICKS_PER_FRAME, writeRtpHeader } from "./rtp.ts";
import { createTrackEncoder, type Encoded } from "./track-encoder.ts";

/** 5 s of audio. */
const PACKETS_PER_REPORT = 250;
/** An Opus frame is 1275 bytes at most (RFC 6716 section 3.2). */
const MAX_PAYLOAD_BYTES = 1275;
const PACKET_BYTES = 1500;

export interface OutgoingOptions {
  readonly ssrc: number;
  /** The only codec that the SFU passes on. */
  readonly codec: RtpCodec;
  readonly encrypted: boolean;
  /** Takes a copy. */
  readonly write: (packet: Buffer) => void;
}

/** The track we publish: frames to RTP packets. */
export interface Outgoing {
  send(frame: Frame): void;
  /** Lets this many frames be lost: the clock of the track goes on without them. */
  skip(frames: number): void;
  /** While muted the clock goes on and nothing is sent. */
  setMuted(muted: boolean): void;
  setKey(key: KeyObject, index: number): void;
}

export const createOutgoing = ({ ssrc, codec, encrypted, write }: OutgoingOptions): Outgoing => {
  const packet = Buffer.alloc(PACKET_BYTES);
  const encryptor = createFrameEncryptor();
  const encode = createTrackEncoder(codec);
  let sequence = randomInt(0x8000);
  let timestamp = randomInt(0x80000000);
  let muted = false;
  let isFirst = true;
  const sent = { packets: 0, bytes: 0 };

  const moveClock = (frames: number): void => {
    timestamp = (timestamp + frames * TICKS_PER_FRAME[codec]) >>> 0;
  };
  const report = (): void => {
    if (sent.packets % PACKETS_PER_REPORT !== 1) return;
    write(senderReport({ ssrc, timestamp, ...sent }, Date.now()));
  };
  const writePayload = (payload: Uint8Array): number => {
    if (encrypted) return encryptor.encryptInto(payload, packet, RTP_HEADER_BYTES);
    packet.set(payload, RTP_HEADER_BYTES);
    return RTP_HEADER_BYTES + payload.length;
  };
  const transmit = ({ payload, level }: Encoded): void => {
    writeRtpHeader(packet, { payloadType: PAYLOAD_TYPE[codec], marker: isFirst, sequence, timestamp, ssrc, level });
    const end = writePayload(payload);
    write(packet.subarray(0, end));
    isFirst = false;
    sequence = (sequence + 1) & 0xffff;
    sent.packets += 1;
    sent.bytes += end - RTP_HEADER_BYTES;
    report();
  };

  const skip = (frames: number): void => {
    moveClock(frames);
    isFirst = true;
  };

  return {
    skip,
    send(frame) {
      if (frame.codec !== "slin" && frame.lost > 0) {
        // A gap in what is passed on is one for the receivers too, who conceal it best.
        skip(frame.lost);
        this.send({ ...frame, lost: 0 });
        return;
      }
      if (muted || (encrypted && !encryptor.hasKey())) {
        skip(1);
        return;
      }
      for (const encoded of encode(frame)) {
        const { length } = encoded.payload;
        if (length > 0 && length <= MAX_PAYLOAD_BYTES) transmit(encoded);
        moveClock(1);
      }
    },
    setMuted(value) {
      muted = value;
    },
    setKey: (key, index) => encryptor.setKey(key, index),
  };
};
