import { G711, type G711Law } from "../../codecs/g711.ts";
import { createOpusEncoder, type OpusEncoder } from "../../codecs/opus.ts";
import { createDecoder, createEncoder } from "../../codecs/transcode.ts";
import { type Frame, type SampleRateHz, samplesPerFrame } from "../../frame.ts";
import { g711Level, opusLevel, samplesLevel } from "./audio-level.ts";
import { type RtpCodec, SILENCE_LEVEL } from "./rtp.ts";

/** 20 ms as they go into a packet. */
export interface Encoded {
  readonly payload: Uint8Array;
  /** -dBov, 0 to 127. */
  readonly level: number;
}

/** Frames of any codec as the track's codec has them: unchanged where it is the same. Valid until the next call. */
export type TrackEncoder = (frame: Frame) => readonly Encoded[];

const g711Silence = (law: G711Law): Uint8Array => new Uint8Array(samplesPerFrame(8000)).fill(G711[law].silence);
/** 20 ms of silence in each codec; that of Opus is the frame that SFUs and browsers use for it. */
const SILENCE: Readonly<Record<RtpCodec, Uint8Array>> = {
  alaw: g711Silence("alaw"),
  ulaw: g711Silence("ulaw"),
  opus: Uint8Array.of(0xf8, 0xff, 0xfe),
};

/** The SFU lets a track have one codec, so a frame of another one is converted, at a cost that only a change of codec in a call has. */
export const createTrackEncoder = (codec: RtpCodec): TrackEncoder =>
  codec === "opus" ? createOpusTrackEncoder() : createG711TrackEncoder(codec);

const isSilent = (frame: Frame): boolean => frame.codec === "slin" && samplesLevel(frame.samples) === SILENCE_LEVEL;

const createOpusTrackEncoder = (): TrackEncoder => {
  /** By rate, made when first needed: a track that gets Opus never needs one. */
  const encoders = new Map<SampleRateHz, OpusEncoder>();
  const encode = (samples: Int16Array, sampleRateHz: SampleRateHz): Encoded => {
    const encoder = encoders.get(sampleRateHz) ?? createOpusEncoder(sampleRateHz);
    encoders.set(sampleRateHz, encoder);
    return { payload: encoder.encode(samples), level: samplesLevel(samples) };
  };
  const decode = createDecoder(8000);
  return (frame) => {
    if (frame.codec === "opus") return [{ payload: frame.payload, level: opusLevel(frame.payload) }];
    if (isSilent(frame)) return [{ payload: SILENCE.opus, level: SILENCE_LEVEL }];
    if (frame.codec === "slin") return [encode(frame.samples, frame.sampleRateHz)];
    return decode(frame).flatMap((samples) => (samples === undefined ? [] : [encode(samples, 8000)]));
  };
};

const createG711TrackEncoder = (law: G711Law): TrackEncoder => {
  const decode = createDecoder(8000);
  const encode = createEncoder(8000, { codec: law });
  const encoded = (samples: Int16Array): readonly Encoded[] => {
    const frame = encode(samples);
    return frame.codec === "slin" ? [] : [{ payload: frame.payload.slice(), level: samplesLevel(samples) }];
  };
  return (frame) => {
    if (frame.codec === law) return [{ payload: frame.payload, level: g711Level(law, frame.payload) }];
    if (isSilent(frame)) return [{ payload: SILENCE[law], level: SILENCE_LEVEL }];
    return decode(frame).flatMap((samples) => (samples === undefined ? [] : encoded(samples)));
  };
};
