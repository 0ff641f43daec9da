import type { LegMedia, MediaKey } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { formatRateHz } from "./codecs/transcode.ts";
import { type SampleRateHz, samplesPerFrame } from "./frame.ts";
import type { JoinSession, WorkerFact } from "./ipc.ts";
import type { Leg, LegEvents } from "./legs/port.ts";
import { createLegSlot, type LegSlot } from "./leg-slot.ts";
import { createListener } from "./listener.ts";
import { createMixer } from "./mixer.ts";
import { createPhone, type Phone } from "./phone.ts";
import { createPhoneSfu, type G711As, type UsualCodec } from "./phone-sfu.ts";
import type { ArrivalTone } from "./prompts.ts";
import { createRoster } from "./roster.ts";
import type { CreateSfuClient } from "./sfu/port.ts";
import type { CallAudioStats } from "./stats.ts";

export interface ConferenceDeps {
  readonly createSfuClient: CreateSfuClient;
  readonly connectLeg: (media: LegMedia, events: LegEvents) => Promise<Leg>;
  readonly usual: UsualCodec;
  readonly g711As: G711As;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly onFact: (callId: string, fact: WorkerFact) => void;
}

/** All phones of one room in this worker. They hear each other here, not through the SFU. */
export interface Conference {
  join(session: JoinSession): Promise<void>;
  attach(callId: string, media: LegMedia): Promise<void>;
  /** Presses keys towards the phone. Rejects with MEDIA_FAILED where they do not go with its audio. */
  press(callId: string, keys: string): Promise<void>;
  /** What only concerns the phone itself. */
  phone(callId: string): PhoneControls;
  setKey(callId: string, key: MediaKey): void;
  /** Identities of the conference's members as this call knows them: nobody else is heard. */
  setMembers(callId: string, identities: readonly string[]): void;
  /** Members whose microphones are on, as the SFU says it to this call. */
  speakers(callId: string): readonly string[];
  /** Somebody has come into the conference or has left it: told to every phone. */
  arrival(tone: ArrivalTone): void;
  leave(callId: string): Promise<void>;
  tick(): void;
  /** This process was stopped for a while: both directions of every phone go on at the present. */
  afterStall(): void;
  stats(): readonly (readonly [callId: string, stats: CallAudioStats])[];
  has(callId: string): boolean;
  isEmpty(): boolean;
}

/** What only concerns the phone of a call. */
export type PhoneControls = Pick<
  Phone,
  "bridge" | "setHeld" | "setMuted" | "setVolume" | "prompt" | "promptCount" | "stopMusic"
>;

interface Call {
  readonly phone: Phone;
  readonly legs: LegSlot;
  identity: string;
}

export const createConference = (deps: ConferenceDeps): Conference => {
  const { log, onFact } = deps;
  const calls = new Map<string, Call>();
  let rateHz: SampleRateHz = 8000;
  let mixer = createMixer(samplesPerFrame(rateHz));
  const listener = createListener(rateHz, deps.nowMs);

  const isHeardHere = (): boolean => calls.size > 1;
  const callOf = (callId: string): Call => {
    const call = calls.get(callId);
    if (call === undefined) throw new GatewayError("MEDIA_FAILED", "this worker does not know the call");
    return call;
  };
  const roster = createRoster();
  const sfu = createPhoneSfu({ ...deps, listener, wants: roster.wants });

  /** 8 kHz while all legs are G.711; once wideband, the conference stays so (switching costs everybody a gap). */
  const fitRate = (leg: Leg): void => {
    const needed = formatRateHz(leg.format);
    if (needed > rateHz) {
      rateHz = needed;
      mixer = createMixer(samplesPerFrame(rateHz));
      listener.setRate(rateHz);
    }
    for (const { phone } of calls.values()) phone.setRate(rateHz);
  };

  const legSlotOf = (callId: string, phone: Phone): LegSlot =>
    createLegSlot({
      phone,
      connectLeg: deps.connectLeg,
      onLost: (message) => {
        log.info({ callId }, message);
        onFact(callId, { type: "media.legLost", message });
      },
    });

  return {
    async join(session) {
      const { callId, identity } = session;
      const known = calls.get(callId);
      const { nowMs } = deps;
      const phone =
        known?.phone ??
        createPhone({ nowMs, promptVoice: session.voice, isHeardHere, onFact: (fact) => onFact(callId, fact) });
      const call = known ?? { phone, identity, legs: legSlotOf(callId, phone) };
      roster.arrived(identity);
      if (known !== undefined) roster.departed(known.identity);
      call.identity = identity;
      calls.set(callId, call);
      phone.setRate(rateHz);
      try {
        await sfu.replace(session, phone);
      } catch (error) {
        if (known === undefined && calls.delete(callId)) {
          roster.setMembers(callId, []);
          roster.departed(identity);
        }
        throw error;
      }
    },
    async attach(callId, media) {
      const { phone, legs } = callOf(callId);
      const leg = await legs.attach(media);
      fitRate(leg);
      await sfu.fitLeg(phone);
    },
    async press(callId, keys) {
      const { leg } = callOf(callId).phone;
      if (leg?.press === undefined) throw new GatewayError("MEDIA_FAILED", "no keys can go with the phone's audio");
      await leg.press(keys);
    },
    phone: (callId) => callOf(callId).phone,
    setKey(callId, key) {
      const call = calls.get(callId);
      if (call === undefined) return;
      if (key.identity === call.identity) sfu.setOwnKey(call.phone, key);
      else if (!roster.isOurs(key.identity)) listener.setKey(key);
    },
    setMembers(callId, identities) {
      if (!calls.has(callId)) return;
      roster.setMembers(callId, identities);
      listener.review();
    },
    speakers(callId) {
      const tracks = calls.get(callId)?.phone.track.sfu?.remoteTracks() ?? [];
      return [...new Set(tracks.flatMap(({ identity, muted }) => (muted ? [] : [identity])))];
    },
    arrival(tone) {
      for (const { phone } of calls.values()) phone.arrival(tone);
    },
    async leave(callId) {
      const call = calls.get(callId);
      if (call === undefined) return;
      calls.delete(callId);
      roster.setMembers(callId, []);
      const { track } = call.phone;
      const client = track.sfu;
      track.sfu = undefined;
      try {
        await Promise.all([call.legs.close(), sfu.close(client)]);
      } finally {
        roster.departed(call.identity);
      }
    },
    tick() {
      mixer.clear();
      listener.mixInto(mixer);
      for (const { phone } of calls.values()) phone.speakInto(mixer);
      const conference = { somebodyTalks: listener.somebodyTalks(), ...listener.takeCounts() };
      for (const { phone } of calls.values()) phone.hear(mixer, conference);
    },
    afterStall() {
      listener.afterStall();
      for (const { phone } of calls.values()) phone.afterStall();
    },
    stats: () => {
      const undecryptable = listener.undecryptableMembers();
      return [...calls].map(([callId, { phone }]) => [callId, phone.stats(undecryptable)] as const);
    },
    has: (callId) => calls.has(callId),
    isEmpty: () => calls.size === 0,
  };
};
