import { type Frame, MAX_MADE_UP_FRAMES, type SampleRateHz, samplesPerFrame } from "../frame.ts";
import { decodeG711, encodeG711 } from "./g711.ts";
import { createOpusDecoder, type OpusDecoder } from "./opus.ts";
import { createDownsampler, createUpsampler, type FrameConverter } from "./resample.ts";

/** What a leg wants to be sent. */
export type FrameFormat =
  | { readonly codec: "alaw" | "ulaw" }
  | { readonly codec: "slin"; readonly sampleRateHz: SampleRateHz };

/** Rate at which the samples of a format exist. */
export const formatRateHz = (format: FrameFormat): SampleRateHz =>
  format.codec === "slin" ? format.sampleRateHz : 8000;

const createConverter = (from: SampleRateHz, to: SampleRateHz): FrameConverter => {
  if (from === to) return (input) => input;
  return from < to ? createUpsampler(samplesPerFrame(from)) : createDownsampler(samplesPerFrame(from));
};

/** Frames of 20 ms in order; `undefined` is one that was lost and that the codec cannot make up (FrameQueue does). */
export type DecodedFrames = readonly (Int16Array | undefined)[];

/**
 * Frames of one stream to samples at one rate: first those that `frame.lost` tells of, then the frame itself. Opus packets may be
 * of any length. Nothing comes of a frame that is broken, or of samples that are not 20 ms. Valid until the next call of any decoder.
 */
export const createDecoder = (targetRateHz: SampleRateHz): ((frame: Frame) => DecodedFrames) => {
  const narrowband = new Int16Array(samplesPerFrame(8000));
  const converters = { 8000: createConverter(8000, targetRateHz), 16000: createConverter(16000, targetRateHz) };
  const cut = createCutter(samplesPerFrame(targetRateHz));
  let opus: OpusDecoder | undefined;
  return (frame) => {
    switch (frame.codec) {
      case "alaw":
      case "ulaw":
        if (frame.payload.length !== narrowband.length) return [];
        decodeG711(frame.codec, frame.payload, narrowband);
        return afterHoles(frame.lost, converters[8000](narrowband));
      case "slin":
        if (frame.samples.length !== samplesPerFrame(frame.sampleRateHz)) return [];
        return [converters[frame.sampleRateHz](frame.samples)];
      case "opus": {
        opus ??= createOpusDecoder(targetRateHz);
        const samples = opus.decode(frame.payload, frame.lost);
        return samples === undefined ? [] : cut(samples);
      }
    }
  };
};

const afterHoles = (lost: number, samples: Int16Array): DecodedFrames =>
  lost === 0 ? [samples] : [...Array.from({ length: Math.min(lost, MAX_MADE_UP_FRAMES) }, () => undefined), samples];

/** Cuts a stream into frames; what is left over waits for the next call. */
const createCutter = (frameSamples: number): ((samples: Int16Array) => readonly Int16Array[]) => {
  let rest = new Int16Array(0);
  return (samples) => {
    if (rest.length === 0 && samples.length === frameSamples) return [samples];
    const all = new Int16Array(rest.length + samples.length);
    all.set(rest);
    all.set(samples, rest.length);
    const frames: Int16Array[] = [];
    let at = 0;
    for (; at + frameSamples <= all.length; at += frameSamples) frames.push(all.subarray(at, at + frameSamples));
    rest = all.slice(at);
    return frames;
  };
};

/** Samples at one rate to frames of a format. The frame is overwritten by the next call. */
export const createEncoder = (sourceRateHz: SampleRateHz, format: FrameFormat): ((samples: Int16Array) => Frame) => {
  const convert = createConverter(sourceRateHz, formatRateHz(format));
  if (format.codec === "slin") {
    return (samples) => ({ codec: "slin", sampleRateHz: format.sampleRateHz, samples: convert(samples) });
  }
  const payload = new Uint8Array(samplesPerFrame(8000));
  const frame: Frame = { codec: format.codec, payload, lost: 0 };
  return (samples) => {
    encodeG711(format.codec, convert(samples), payload);
    return frame;
  };
};
