import { type Frame, type SampleRateHz, samplesPerFrame } from "../frame.ts";
import { decodeG711, encodeG711 } from "./g711.ts";
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

/**
 * Frames of one stream to samples at one rate. A frame that is not 20 ms long, or in a codec that nothing decodes here, is
 * `undefined`. The result is overwritten by the next call.
 */
export const createDecoder = (targetRateHz: SampleRateHz): ((frame: Frame) => Int16Array | undefined) => {
  const narrowband = new Int16Array(samplesPerFrame(8000));
  const converters = { 8000: createConverter(8000, targetRateHz), 16000: createConverter(16000, targetRateHz) };
  return (frame) => {
    switch (frame.codec) {
      case "alaw":
      case "ulaw":
        if (frame.payload.length !== narrowband.length) return undefined;
        decodeG711(frame.codec, frame.payload, narrowband);
        return converters[8000](narrowband);
      case "slin":
        if (frame.samples.length !== samplesPerFrame(frame.sampleRateHz)) return undefined;
        return converters[frame.sampleRateHz](frame.samples);
      case "opus":
        return undefined;
    }
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
