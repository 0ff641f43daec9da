/** RTP and RTCP as bytes (RFC 3550, 4585, 6464, 8285): what the light client needs of them. */

/** Payload types of every offer we make; the SFU takes them over. */
export const PAYLOAD_TYPE = { opus: 111, alaw: 8, ulaw: 0 } as const;
export type RtpCodec = keyof typeof PAYLOAD_TYPE;

/** Ticks of the RTP clock in a frame of 20 ms. */
export const TICKS_PER_FRAME: Readonly<Record<RtpCodec, number>> = { opus: 960, alaw: 160, ulaw: 160 };

/** Id of the header extension `ssrc-audio-level` in our offers. */
export const AUDIO_LEVEL_EXTENSION = { id: 1, uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level" } as const;
/** The level of digital silence; otherwise it is -dBov. */
export const SILENCE_LEVEL = 127;
/** Quieter than this (-dBov) is not flagged as voice. */
const VOICE_LEVEL = 60;

export interface RtpPacket {
  readonly payloadType: number;
  readonly sequence: number;
  readonly ssrc: number;
  /** Empty in a packet of padding only. */
  readonly payload: Uint8Array;
}

const FIXED_HEADER_BYTES = 12;

/** Payload types 64 to 95 are RTCP on a connection that carries both (RFC 5761 section 4). */
const isRtcp = (packet: Buffer): boolean => (packet[1]! & 0x60) === 0x40;

/** Undefined for RTCP and for everything that is not a whole RTP packet. The payload is a view into `packet`. */
export const parseRtp = (packet: Buffer): RtpPacket | undefined => {
  if (packet.length < FIXED_HEADER_BYTES || packet[0]! >> 6 !== 2 || isRtcp(packet)) return undefined;
  let start = FIXED_HEADER_BYTES + 4 * (packet[0]! & 0x0f);
  let end = packet.length;
  if ((packet[0]! & 0x10) !== 0) {
    if (end < start + 4) return undefined;
    start += 4 + 4 * packet.readUInt16BE(start + 2);
  }
  if ((packet[0]! & 0x20) !== 0) {
    const padding = packet[end - 1]!;
    if (padding === 0) return undefined;
    end -= padding;
  }
  if (end < start) return undefined;
  return {
    payloadType: packet[1]! & 0x7f,
    sequence: packet.readUInt16BE(2),
    ssrc: packet.readUInt32BE(8),
    payload: packet.subarray(start, end),
  };
};

export interface RtpHeader {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** 0 to 127: -dBov. */
  readonly level: number;
}

export const RTP_HEADER_BYTES = FIXED_HEADER_BYTES + 8;

/** Writes a header with the audio level to the start of `packet`; the payload follows at RTP_HEADER_BYTES. */
export const writeRtpHeader = (packet: Buffer, header: RtpHeader): void => {
  packet[0] = 0x90; // version 2, with extension
  packet[1] = header.payloadType | (header.marker ? 0x80 : 0);
  packet.writeUInt16BE(header.sequence, 2);
  packet.writeUInt32BE(header.timestamp, 4);
  packet.writeUInt32BE(header.ssrc, 8);
  packet.writeUInt16BE(0xbede, 12); // one-byte extension headers
  packet.writeUInt16BE(1, 14); // of one word
  packet[16] = AUDIO_LEVEL_EXTENSION.id << 4;
  packet[17] = header.level | (header.level < VOICE_LEVEL ? 0x80 : 0);
  packet.writeUInt16BE(0, 18);
};

const SECONDS_FROM_1900_TO_1970 = 2_208_988_800;
const SENDER_REPORT = 200;
const TRANSPORT_FEEDBACK = 205;
const GENERIC_NACK = 1;

export interface SenderReport {
  readonly ssrc: number;
  readonly timestamp: number;
  readonly packets: number;
  readonly bytes: number;
}

export const senderReport = ({ ssrc, timestamp, packets, bytes }: SenderReport, nowMs: number): Buffer => {
  const report = Buffer.alloc(28);
  report[0] = 0x80;
  report[1] = SENDER_REPORT;
  report.writeUInt16BE(6, 2);
  report.writeUInt32BE(ssrc, 4);
  report.writeUInt32BE((Math.floor(nowMs / 1000) + SECONDS_FROM_1900_TO_1970) >>> 0, 8);
  report.writeUInt32BE(Math.floor(((nowMs % 1000) / 1000) * 2 ** 32) >>> 0, 12);
  report.writeUInt32BE(timestamp, 16);
  report.writeUInt32BE(packets >>> 0, 20);
  report.writeUInt32BE(bytes >>> 0, 24);
  return report;
};

/** Asks for packets again (RFC 4585 section 6.2.1). `missing`: sequence numbers, ascending, at least one. */
export const negativeAcknowledgement = (senderSsrc: number, mediaSsrc: number, missing: readonly number[]): Buffer => {
  const entries: { first: number; mask: number }[] = [];
  for (const sequence of missing) {
    const last = entries.at(-1);
    const distance = last === undefined ? Infinity : (sequence - last.first) & 0xffff;
    if (last !== undefined && distance > 0 && distance <= 16) last.mask |= 1 << (distance - 1);
    else entries.push({ first: sequence, mask: 0 });
  }
  const packet = Buffer.alloc(12 + 4 * entries.length);
  packet[0] = 0x80 | GENERIC_NACK;
  packet[1] = TRANSPORT_FEEDBACK;
  packet.writeUInt16BE(2 + entries.length, 2);
  packet.writeUInt32BE(senderSsrc, 4);
  packet.writeUInt32BE(mediaSsrc, 8);
  entries.forEach(({ first, mask }, i) => {
    packet.writeUInt16BE(first, 12 + 4 * i);
    packet.writeUInt16BE(mask, 14 + 4 * i);
  });
  return packet;
};
