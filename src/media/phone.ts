import type { AudioDirection, PromptName } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import { createDecoder, createEncoder } from "./codecs/transcode.ts";
import { type Frame, type SampleRateHz, samplesPerFrame } from "./frame.ts";
import { createFrameQueue } from "./frame-queue.ts";
import type { WorkerFact } from "./ipc.ts";
import { createLateFrameFilter } from "./late-frames.ts";
import type { Leg } from "./legs/port.ts";
import { createLevelMeter } from "./levels.ts";
import type { Mixer } from "./mixer.ts";
import { promptFrames } from "./prompts.ts";
import type { SfuClient } from "./sfu/port.ts";
import type { CallAudioStats } from "./stats.ts";

/** A direction in which nothing at all arrives for this long is reported. */
const SILENT_AFTER_MS = 10_000;
/** Ticks without a frame of the phone after which the track gets silence: without packets the SFU does not show a track at all. */
const TICKS_BEFORE_SILENCE = 5;

const SILENCE: Frame = { codec: "slin", sampleRateHz: 16000, samples: new Int16Array(samplesPerFrame(16000)) };

export interface PhoneOptions {
  readonly nowMs: () => number;
  readonly onFact: (fact: WorkerFact) => void;
}

/** One call in a conference: its leg, its connection to the SFU, and what passes between them and the mix. */
export interface Phone {
  sfu: SfuClient | undefined;
  leg: Leg | undefined;
  /** Whether the SFU connection is up now: false until it is, and while it is interrupted. */
  setSfuConnected(connected: boolean): void;
  bridge(): void;
  setHeld(held: boolean): void;
  /** Starts a prompt from its first frame. Throws MEDIA_FAILED when there is no phone to hear it. */
  prompt(name: PromptName): void;
  /** Rate of the mix; also called when the leg changed. */
  setRate(sampleRateHz: SampleRateHz): void;
  onLegFrame(frame: Frame): void;
  /** First half of a tick: adds the phone's voice to the mix. */
  speakInto(mixer: Mixer): void;
  /** Second half: sends the phone what the others said. `conference`: whether somebody talks there; `lost`, `dropped`: on its way. */
  hear(mixer: Mixer, conference: { somebodyTalks: boolean; lost: number; dropped: number }): void;
  stats(undecryptableMembers: number): CallAudioStats;
}

const hasSound = (samples: Int16Array): boolean => {
  for (let i = 0; i < samples.length; i++) if (samples[i] !== 0) return true;
  return false;
};

export const createPhone = (options: PhoneOptions): Phone => {
  const { nowMs, onFact } = options;
  const meters = { fromPhone: createLevelMeter(nowMs), toPhone: createLevelMeter(nowMs) };
  const late = createLateFrameFilter(nowMs);
  let rateHz: SampleRateHz = 8000;
  let decode = createDecoder(rateHz);
  let encode: ((samples: Int16Array) => Frame) | undefined;
  let queue = createFrameQueue(samplesPerFrame(rateHz), nowMs);
  let bridged = false;
  let held = false;
  let sfuConnected = false;
  let voice: Int16Array | undefined;
  let ticksSinceVoice = 0;
  let playing: Iterator<Int16Array> | undefined;
  const flowing = { fromPhone: false, toPhone: false };
  /** When a direction was last fine: something arrived, or nothing could be expected. */
  const fineAtMs = { fromPhone: 0, toPhone: 0 };
  const reported = { fromPhone: false, toPhone: false };

  const passes = (): boolean => bridged && !held;
  const fine = (direction: AudioDirection): void => {
    fineAtMs[direction] = nowMs();
    reported[direction] = false;
  };
  const heard = (direction: AudioDirection): void => {
    if (flowing[direction]) return;
    flowing[direction] = true;
    onFact({ type: "media.flowing", direction });
  };
  const watch = (direction: AudioDirection): void => {
    if (reported[direction] || nowMs() - fineAtMs[direction] < SILENT_AFTER_MS) return;
    reported[direction] = true;
    onFact({ type: "media.silent", direction });
  };
  const restart = (): void => {
    queue.clear();
    fine("fromPhone");
    fine("toPhone");
  };
  const keepTrackAlive = (): void => {
    ticksSinceVoice += 1;
    // On hold the track is muted: nothing is expected of it.
    if (ticksSinceVoice > TICKS_BEFORE_SILENCE && !held) phone.sfu?.send(SILENCE);
  };

  const phone: Phone = {
    sfu: undefined,
    leg: undefined,
    setSfuConnected(connected) {
      sfuConnected = connected;
      // A connection made during hold does not know about it.
      if (connected && held) phone.sfu?.setMuted(true);
    },
    bridge() {
      if (bridged) return;
      bridged = true;
      restart();
    },
    setHeld(value) {
      if (held === value) return;
      held = value;
      phone.sfu?.setMuted(held);
      restart();
    },
    prompt(name) {
      if (phone.leg === undefined) throw new GatewayError("MEDIA_FAILED", "the phone's audio is not connected");
      playing = promptFrames(name, rateHz)[Symbol.iterator]();
    },
    setRate(sampleRateHz) {
      if (phone.leg !== undefined) encode = createEncoder(sampleRateHz, phone.leg.format);
      if (rateHz === sampleRateHz) return;
      rateHz = sampleRateHz;
      decode = createDecoder(rateHz);
      queue = createFrameQueue(samplesPerFrame(rateHz), nowMs);
      playing = undefined;
    },
    onLegFrame(frame) {
      if (!passes()) return;
      if (!late.admit()) {
        meters.fromPhone.dropped(1);
        return;
      }
      ticksSinceVoice = 0;
      phone.sfu?.send(frame);
      fine("fromPhone");
      const samples = decode(frame);
      if (samples === undefined) return;
      queue.push(samples);
      if (meters.fromPhone.measure(samples) && sfuConnected) heard("fromPhone");
    },
    speakInto(mixer) {
      keepTrackAlive();
      voice = undefined;
      if (!passes()) return;
      voice = queue.pop();
      if (voice !== undefined) mixer.add(voice);
      else meters.fromPhone.lost(1);
      watch("fromPhone");
    },
    hear(mixer, { somebodyTalks, lost, dropped }) {
      if (!passes() || phone.leg === undefined || encode === undefined) return;
      let samples = mixer.without(voice, undefined);
      const audible = meters.toPhone.measure(samples);
      if (audible) heard("toPhone");
      if (!somebodyTalks || hasSound(samples)) fine("toPhone");
      meters.toPhone.lost(lost);
      meters.toPhone.dropped(dropped + phone.leg.takeDropped());
      watch("toPhone");
      const extra = playing?.next();
      if (extra?.done === true) playing = undefined;
      else if (extra !== undefined) samples = mixer.without(voice, extra.value);
      phone.leg.send(encode(samples), !audible && playing === undefined);
    },
    stats: (undecryptableMembers) => ({
      fromPhone: meters.fromPhone.stats(),
      toPhone: meters.toPhone.stats(),
      undecryptableMembers,
    }),
  };
  return phone;
};
