import type { PromptName, Voice } from "../calls/voice.ts";
import { GatewayError } from "../errors.ts";
import { createAudioWatch } from "./audio-watch.ts";
import { createEncoder } from "./codecs/transcode.ts";
import type { Frame, SampleRateHz } from "./frame.ts";
import type { WorkerFact } from "./ipc.ts";
import type { Leg } from "./legs/port.ts";
import { createLevelMeter } from "./levels.ts";
import { amplify, type Mixer } from "./mixer.ts";
import { createOutgoingTrack, type OutgoingTrack } from "./outgoing-track.ts";
import { createPhoneVoice } from "./phone-voice.ts";
import { createPlayer } from "./player.ts";
import type { ArrivalTone } from "./prompts.ts";
import type { CallAudioStats } from "./stats.ts";

export interface PhoneOptions {
  readonly nowMs: () => number;
  /** Default: English, with our recordings. */
  readonly promptVoice?: Voice | undefined;
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
  /** The phone hears and is not heard. */
  setMuted(muted: boolean): void;
  /** How much louder (dB) than it is the phone hears the conference, and us. */
  setVolume(gainDb: number): void;
  /** Starts a prompt from its first frame. Throws MEDIA_FAILED when there is no phone to hear it. */
  prompt(name: PromptName): void;
  /** The same for the number of people in the call. */
  promptCount(people: number): void;
  /** Somebody else has come or gone: a tone, unless the phone has just come itself, is on hold or is being spoken to. */
  arrival(tone: ArrivalTone): void;
  /** Ends the music behind the prompt `waiting`. */
  stopMusic(): void;
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

/** Who has just come hears no tones: they would be about itself, and about those who came with it. */
const NEWCOMER_MS = 2000;

const hasSound = (samples: Int16Array): boolean => {
  for (let i = 0; i < samples.length; i++) if (samples[i] !== 0) return true;
  return false;
};

export const createPhone = ({ nowMs, promptVoice, isHeardHere, onFact }: PhoneOptions): Phone => {
  const meters = { fromPhone: createLevelMeter(nowMs), toPhone: createLevelMeter(nowMs) };
  const watch = createAudioWatch(nowMs, onFact);
  const track = createOutgoingTrack(nowMs);
  let rateHz: SampleRateHz = 8000;
  let encode: ((samples: Int16Array) => Frame) | undefined;
  let bridged = false;
  let bridgedAtMs = 0;
  let held = false;
  let muted = false;
  let gain = 1;
  let sfuConnected = false;
  const voice = createPhoneVoice({ nowMs, isHeardHere, meter: meters.fromPhone });
  /** What it says in this tick. */
  let said: Int16Array | undefined;

  const passes = (): boolean => bridged && !held;
  const isHeard = (): boolean => passes() && !muted;
  const player = createPlayer(promptVoice);
  const expectLeg = (): void => {
    if (phone.leg === undefined) throw new GatewayError("MEDIA_FAILED", "the phone's audio is not connected");
  };
  const restart = (): void => {
    voice.restart();
    watch.restart();
  };

  const phone: Phone = {
    track,
    leg: undefined,
    setSfuConnected(connected) {
      sfuConnected = connected;
      // A connection made during hold does not know about it.
      if (connected && (held || muted)) track.sfu?.setMuted(true);
    },
    bridge() {
      if (bridged) return;
      bridged = true;
      bridgedAtMs = nowMs();
      restart();
    },
    setHeld(value) {
      if (held === value) return;
      held = value;
      track.sfu?.setMuted(held || muted);
      restart();
    },
    setMuted(value) {
      if (muted === value) return;
      muted = value;
      track.sfu?.setMuted(held || muted);
      restart();
    },
    setVolume(gainDb) {
      gain = 10 ** (gainDb / 20);
    },
    prompt(name) {
      expectLeg();
      player.prompt(name, rateHz);
    },
    promptCount(people) {
      expectLeg();
      player.count(people, rateHz);
    },
    arrival(tone) {
      const isNew = nowMs() - bridgedAtMs < NEWCOMER_MS;
      if (passes() && !isNew && phone.leg !== undefined) player.arrival(tone, rateHz);
    },
    stopMusic: () => player.stopMusic(),
    setRate(sampleRateHz) {
      if (phone.leg !== undefined) encode = createEncoder(sampleRateHz, phone.leg.format);
      if (rateHz === sampleRateHz) return;
      rateHz = sampleRateHz;
      voice.setRate(rateHz);
      player.stopPrompt();
    },
    onLegFrame(frame) {
      if (!isHeard()) return;
      watch.fine("fromPhone");
      if (!track.send(frame)) {
        meters.fromPhone.dropped(1);
        return;
      }
      if (voice.take(frame) && sfuConnected) watch.heard("fromPhone");
    },
    afterStall() {
      voice.restart();
      track.afterStall();
    },
    speakInto(mixer) {
      track.tick();
      said = undefined;
      if (!isHeard()) return;
      said = voice.pop();
      if (said !== undefined) mixer.add(said);
      watch.check("fromPhone");
    },
    hear(mixer, { somebodyTalks, lost, dropped }) {
      if (held || phone.leg === undefined || encode === undefined) return;
      if (!bridged) {
        // Before the path is open a phone hears what it is asked, and nothing of the conference.
        const question = player.next(rateHz);
        if (question !== undefined) phone.leg.send(encode(question), false);
        return;
      }
      let samples = mixer.without(said, undefined);
      const audible = meters.toPhone.measure(samples);
      if (audible) watch.heard("toPhone");
      if (!somebodyTalks || hasSound(samples)) watch.fine("toPhone");
      meters.toPhone.lost(lost);
      meters.toPhone.dropped(dropped + phone.leg.takeDropped());
      watch.check("toPhone");
      const extra = player.next(rateHz);
      if (extra !== undefined) samples = mixer.without(said, extra);
      if (gain !== 1) amplify(samples, gain);
      phone.leg.send(encode(samples), !audible && extra === undefined);
    },
    stats: (undecryptableMembers) => ({
      fromPhone: meters.fromPhone.stats(),
      toPhone: meters.toPhone.stats(),
      undecryptableMembers,
    }),
  };
  return phone;
};
