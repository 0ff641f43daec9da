/** RTP of one leg (RFC 3550, RFC 3551): A-law or µ-law, 20 ms, and keys both ways (RFC 4733). */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { setTimeout as delay } from "node:timers/promises";
import { decodeG711, encodeG711 } from "../../../src/media/codecs/g711.ts";

export const SAMPLES_PER_FRAME = 160;
const HEADER_BYTES = 12;
const DTMF_PAYLOAD_TYPE = 101;
const KEYS = "0123456789*#ABCD";
const FRAME_MS = 20;
/** A key is held for 100 ms, its end is told three times (RFC 4733 section 2.5.1.4), and the next one waits a little. */
const KEY_FRAMES = 5;
const KEY_ENDS = 3;
const KEY_PAUSE_MS = 60;
const KEY_VOLUME = 10;

/** Static payload types of RFC 3551. */
const LAWS = { 0: "ulaw", 8: "alaw" } as const;

type PayloadType = keyof typeof LAWS;

export interface RtpLeg {
  /** Our offer, or answer. */
  readonly sdp: string;
  /** Takes the far end's answer, or offer; throws when it accepts none of our codecs. */
  connect(remoteSdp: string): void;
  /** 160 samples at 8 kHz. */
  send(samples: Int16Array): void;
  /** One key, in place of audio; resolves when the next one may follow, with the moment (epoch ms) at which it was let go. */
  press(key: string): Promise<number>;
  readonly lastReceivedMs: () => number;
  close(): void;
}

export interface RtpHandlers {
  readonly onSamples: (samples: Int16Array) => void;
  readonly onKey: (key: string, code: number) => void;
}

const MEDIA_LINE = /^m=audio (\d+) \S+ ([\d ]+)/m;
/** The first of ours that the far end names. */
export const offeredPayloadType = (sdp: string): PayloadType | undefined =>
  MEDIA_LINE.exec(sdp)?.[2]
    ?.trim()
    .split(" ")
    .map(Number)
    .find((type): type is PayloadType => type === 0 || type === 8);

const sdpOf = (host: string, port: number, payloadTypes: readonly PayloadType[]): string =>
  [
    "v=0",
    `o=- ${Date.now()} 1 IN IP4 ${host}`,
    "s=LiveKit",
    `c=IN IP4 ${host}`,
    "t=0 0",
    `m=audio ${port} RTP/AVP ${payloadTypes.join(" ")} ${DTMF_PAYLOAD_TYPE}`,
    ...payloadTypes.map((type) => `a=rtpmap:${type} ${{ 0: "PCMU", 8: "PCMA" }[type]}/8000`),
    `a=rtpmap:${DTMF_PAYLOAD_TYPE} telephone-event/8000`,
    `a=fmtp:${DTMF_PAYLOAD_TYPE} 0-16`,
    "a=ptime:20",
    "a=sendrecv",
    "",
  ].join("\r\n");

export const createRtpLeg = async (
  host: string,
  handlers: RtpHandlers,
  payloadTypes: readonly PayloadType[] = [0, 8],
): Promise<RtpLeg> => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => {
    socket.bind(0, host, () => resolve());
  });
  const ssrc = randomBytes(4).readUInt32BE();
  let sequence = randomBytes(2).readUInt16BE();
  let timestamp = randomBytes(4).readUInt32BE();
  let remote: { host: string; port: number; payloadType: PayloadType } | undefined;
  let lastReceivedMs = performance.now();
  let lastKeyTimestamp = -1;
  let isPressing = false;

  const write = (payloadType: number, marker: boolean, at: number, payload: Uint8Array): void => {
    if (remote === undefined) return;
    const packet = Buffer.alloc(HEADER_BYTES + payload.length);
    packet[0] = 0x80;
    packet[1] = payloadType | (marker ? 0x80 : 0);
    packet.writeUInt16BE(sequence, 2);
    packet.writeUInt32BE(at, 4);
    packet.writeUInt32BE(ssrc, 8);
    packet.set(payload, HEADER_BYTES);
    sequence = (sequence + 1) & 0xffff;
    socket.send(packet, remote.port, remote.host);
  };
  const writeKey = (code: number, at: number, frames: number, end: boolean): void => {
    const event = Buffer.from([code, KEY_VOLUME | (end ? 0x80 : 0), 0, 0]);
    event.writeUInt16BE(frames * SAMPLES_PER_FRAME, 2);
    write(DTMF_PAYLOAD_TYPE, frames === 1, at, event);
  };

  socket.on("message", (packet) => {
    if (packet.length <= HEADER_BYTES || packet[0] === undefined || packet[0] >> 6 !== 2) return;
    lastReceivedMs = performance.now();
    const payloadType = (packet[1] ?? 0) & 0x7f;
    const payload = packet.subarray(HEADER_BYTES);
    if (payloadType === DTMF_PAYLOAD_TYPE) {
      // One key is many packets with one timestamp; it counts once.
      const keyTimestamp = packet.readUInt32BE(4);
      const code = payload[0] ?? 0;
      if (keyTimestamp !== lastKeyTimestamp && code < KEYS.length) handlers.onKey(KEYS[code] ?? "", code);
      lastKeyTimestamp = keyTimestamp;
    } else if (payloadType === 0 || payloadType === 8) {
      handlers.onSamples(decodeG711(LAWS[payloadType], payload));
    }
  });

  return {
    sdp: sdpOf(host, socket.address().port, payloadTypes),
    connect: (remoteSdp) => {
      const address = /^c=IN IP4 (\S+)/m.exec(remoteSdp)?.[1] ?? host;
      const media = MEDIA_LINE.exec(remoteSdp);
      const payloadType = offeredPayloadType(remoteSdp);
      if (media === null || payloadType === undefined) throw new Error("no common codec");
      remote = { host: address, port: Number(media[1]), payloadType };
    },
    send: (samples) => {
      if (remote !== undefined && !isPressing) {
        write(remote.payloadType, false, timestamp, encodeG711(LAWS[remote.payloadType], samples));
      }
      timestamp = (timestamp + SAMPLES_PER_FRAME) >>> 0;
    },
    press: async (key) => {
      const code = KEYS.indexOf(key);
      const at = timestamp;
      isPressing = true;
      for (let frames = 1; frames <= KEY_FRAMES; frames++) {
        writeKey(code, at, frames, false);
        await delay(FRAME_MS);
      }
      for (let i = 0; i < KEY_ENDS; i++) writeKey(code, at, KEY_FRAMES, true);
      isPressing = false;
      const letGoAtMs = performance.timeOrigin + performance.now();
      await delay(KEY_PAUSE_MS);
      return letGoAtMs;
    },
    lastReceivedMs: () => lastReceivedMs,
    close: () => socket.close(),
  };
};
