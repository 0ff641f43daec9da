import type { PromptName } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import { createAudioWatch } from "./audio-watch.ts";
import { isOpusDtx } from "./codecs/opus.ts";
import { createDecoder, createEncoder } from "./codecs/transcode.ts";
import { type Frame, MAX_MADE_UP_FRAMES, type SampleRateHz, samplesPerFrame } from "./frame.ts";
import { createFrameQueue } from "./frame-queue.ts";
import type { WorkerFact } from "./ipc.ts";
import type { Leg } from "./legs/port.ts";
import { AUDIBLE_DBFS, createLevelMeter } from "./levels.ts";
import type { Mixer } from "./mixer.ts";
import { createOutgoingTrack, type OutgoingTrack } from "./outgoing-track.ts";
import { promptFrames } from "./prompts.ts";
import { g711Level } from "./sfu/light/audio-level.ts";
import type { CallAudioStats } from "./stats.ts";

export interface PhoneOptions {
  readonly nowMs: () => number;
  /** Whether another phone of the worker hears this one: nobody else needs its samples. */
  readonly isHeardHere: () => boolean;
  readonly onFact: (fact: WorkerFact) => void;
}

/** One call in a conference: its leg, its connection to the SFU, and what passes between them and the mix. */
export interface Phone {
  readonly track: OutgoingTrack;
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
  /** This process was stopped: what was said meanwhile is lost, and both ends go on at the present. */
  afterStall(): void;
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

export const createPhone = ({ nowMs, isHeardHere, onFact }: PhoneOptions): Phone => {
  const meters = { fromPhone: createLevelMeter(nowMs), toPhone: createLevelMeter(nowMs) };
  const watch = createAudioWatch(nowMs, onFact);
  const track = createOutgoingTrack(nowMs);
  let rateHz: SampleRateHz = 8000;
  let decode = createDecoder(rateHz);
  let encode: ((samples: Int16Array) => Frame) | undefined;
  let queue = createFrameQueue(rateHz, "network", nowMs);
  let unheard = new Int16Array(samplesPerFrame(rateHz));
  let bridged = false;
  let held = false;
  let sfuConnected = false;
  let voice: Int16Array | undefined;
  let playing: Iterator<Int16Array> | undefined;

  /** Queues the samples of a frame and meters it; true when it is audible. */
  const takeSamples = (frame: Frame): boolean => {
    if (!isHeardHere() && (frame.codec === "alaw" || frame.codec === "ulaw")) {
      // Samples that nobody hears are not worth decoding; the level is known as the SFU is told it.
      queue.push(unheard);
      return meters.fromPhone.count(g711Level(frame.codec, frame.payload) < -AUDIBLE_DBFS);
    }
    const madeUp = frame.codec === "slin" ? 0 : Math.min(frame.lost, MAX_MADE_UP_FRAMES);
    let audible = false;
    decode(frame).forEach((samples, i) => {
      queue.push(samples, i < madeUp);
      if (samples !== undefined && meters.fromPhone.measure(samples)) audible = true;
    });
    if (frame.codec === "opus" && isOpusDtx(frame.payload)) queue.rest();
    return audible;
  };
  const passes = (): boolean => bridged && !held;
  const restart = (): void => {
    queue.restart();
    watch.restart();
  };

  const phone: Phone = {
    track,
    leg: undefined,
    setSfuConnected(connected) {
      sfuConnected = connected;
      // A connection made during hold does not know about it.
      if (connected && held) track.sfu?.setMuted(true);
    },
    bridge() {
      if (bridged) return;
      bridged = true;
      restart();
    },
    setHeld(value) {
      if (held === value) return;
      held = value;
      track.sfu?.setMuted(held);
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
      queue = createFrameQueue(rateHz, "network", nowMs);
      unheard = new Int16Array(samplesPerFrame(rateHz));
      playing = undefined;
    },
    onLegFrame(frame) {
      if (!passes()) return;
      watch.fine("fromPhone");
      if (!track.send(frame)) {
        meters.fromPhone.dropped(1);
        return;
      }
      if (takeSamples(frame) && sfuConnected) watch.heard("fromPhone");
    },
    afterStall() {
      queue.restart();
      track.afterStall();
    },
    speakInto(mixer) {
      track.tick();
      voice = undefined;
      if (!passes()) return;
      voice = queue.pop();
      const counts = queue.takeCounts();
      meters.fromPhone.lost(counts.lost);
      meters.fromPhone.dropped(counts.dropped);
      if (voice !== undefined) mixer.add(voice);
      watch.check("fromPhone");
    },
    hear(mixer, { somebodyTalks, lost, dropped }) {
      if (!passes() || phone.leg === undefined || encode === undefined) return;
      let samples = mixer.without(voice, undefined);
      const audible = meters.toPhone.measure(samples);
      if (audible) watch.heard("toPhone");
      if (!somebodyTalks || hasSound(samples)) watch.fine("toPhone");
      meters.toPhone.lost(lost);
      meters.toPhone.dropped(dropped + phone.leg.takeDropped());
      watch.check("toPhone");
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
