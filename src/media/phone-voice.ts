import { isOpusDtx } from "./codecs/opus.ts";
import { createDecoder } from "./codecs/transcode.ts";
import { type Frame, MAX_MADE_UP_FRAMES, type SampleRateHz, samplesPerFrame } from "./frame.ts";
import { createFrameQueue } from "./frame-queue.ts";
import { AUDIBLE_DBFS, type LevelMeter } from "./levels.ts";
import { g711Level } from "./sfu/light/audio-level.ts";

export interface PhoneVoiceOptions {
  readonly nowMs: () => number;
  /** Whether another phone of the worker hears this one: nobody else needs its samples. */
  readonly isHeardHere: () => boolean;
  readonly meter: LevelMeter;
}

/** What a phone says, as samples for the other phones of its worker. */
export interface PhoneVoice {
  setRate(sampleRateHz: SampleRateHz): void;
  /** Queues the samples of a frame and meters it; true when it is audible. */
  take(frame: Frame): boolean;
  pop(): Int16Array | undefined;
  restart(): void;
}

export const createPhoneVoice = ({ nowMs, isHeardHere, meter }: PhoneVoiceOptions): PhoneVoice => {
  const create = (rateHz: SampleRateHz) => ({
    rateHz,
    decode: createDecoder(rateHz),
    queue: createFrameQueue(rateHz, "network", nowMs),
    unheard: new Int16Array(samplesPerFrame(rateHz)),
  });
  let voice = create(8000);

  return {
    setRate(rateHz) {
      if (voice.rateHz !== rateHz) voice = create(rateHz);
    },
    take(frame) {
      const { decode, queue, unheard } = voice;
      if (!isHeardHere() && (frame.codec === "alaw" || frame.codec === "ulaw")) {
        // Samples that nobody hears are not worth decoding; the level is known as the SFU is told it.
        queue.push(unheard);
        return meter.count(g711Level(frame.codec, frame.payload) < -AUDIBLE_DBFS);
      }
      const madeUp = frame.codec === "slin" ? 0 : Math.min(frame.lost, MAX_MADE_UP_FRAMES);
      let audible = false;
      decode(frame).forEach((samples, i) => {
        queue.push(samples, i < madeUp);
        if (samples !== undefined && meter.measure(samples)) audible = true;
      });
      if (frame.codec === "opus" && isOpusDtx(frame.payload)) queue.rest();
      return audible;
    },
    pop() {
      const samples = voice.queue.pop();
      const counts = voice.queue.takeCounts();
      meter.lost(counts.lost);
      meter.dropped(counts.dropped);
      return samples;
    },
    restart: () => voice.queue.restart(),
  };
};
