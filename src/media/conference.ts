import type { LegMedia, MediaKey, PromptName } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { formatRateHz } from "./codecs/transcode.ts";
import { type SampleRateHz, samplesPerFrame } from "./frame.ts";
import type { JoinSession, WorkerFact } from "./ipc.ts";
import type { Leg, LegEvents } from "./legs/port.ts";
import { createListener } from "./listener.ts";
import { createMixer } from "./mixer.ts";
import { createPhone, type Phone } from "./phone.ts";
import { createPhoneSfu } from "./phone-sfu.ts";
import type { CreateSfuClient } from "./sfu/port.ts";
import type { CallAudioStats } from "./stats.ts";

export interface ConferenceDeps {
  readonly createSfuClient: CreateSfuClient;
  readonly connectLeg: (media: LegMedia, events: LegEvents) => Promise<Leg>;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly onFact: (callId: string, fact: WorkerFact) => void;
}

/** All phones of one room in this worker. They hear each other here, not through the SFU. */
export interface Conference {
  join(session: JoinSession): Promise<void>;
  attach(callId: string, media: LegMedia): Promise<void>;
  bridge(callId: string): void;
  setHeld(callId: string, held: boolean): void;
  prompt(callId: string, name: PromptName): void;
  /** What only concerns the phone itself. */
  phone(callId: string): Pick<Phone, "setMuted" | "promptNumber" | "stopMusic">;
  setKey(callId: string, key: MediaKey): void;
  /** Identities of the conference's members as this call knows them: nobody else is heard. */
  setMembers(callId: string, identities: readonly string[]): void;
  leave(callId: string): Promise<void>;
  tick(): void;
  /** This process was stopped for a while: both directions of every phone go on at the present. */
  afterStall(): void;
  stats(): readonly (readonly [callId: string, stats: CallAudioStats])[];
  has(callId: string): boolean;
  isEmpty(): boolean;
}

interface Call {
  readonly phone: Phone;
  identity: string;
  members: ReadonlySet<string>;
}

export const createConference = (deps: ConferenceDeps): Conference => {
  const { log, onFact } = deps;
  const calls = new Map<string, Call>();
  let rateHz: SampleRateHz = 8000;
  let mixer = createMixer(samplesPerFrame(rateHz));
  const listener = createListener(rateHz, deps.nowMs);

  const callOf = (callId: string): Call => {
    const call = calls.get(callId);
    if (call === undefined) throw new GatewayError("MEDIA_FAILED", "this worker does not know the call");
    return call;
  };
  /** Identities whose connection is being closed: they are not to be heard through the SFU in their last moment. */
  const leaving = new Set<string>();
  const isOurs = (identity: string): boolean =>
    leaving.has(identity) || [...calls.values()].some((call) => call.identity === identity);

  /** Whoever has a token can be in the SFU's room; only members of the call are heard. */
  const isMember = (identity: string): boolean => [...calls.values()].some(({ members }) => members.has(identity));

  const sfu = createPhoneSfu({ ...deps, listener, wants: (identity) => isMember(identity) && !isOurs(identity) });

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

  return {
    async join(session) {
      const { callId, identity } = session;
      const known = calls.get(callId);
      const phone = known?.phone ?? createPhone({ nowMs: deps.nowMs, onFact: (fact) => onFact(callId, fact) });
      const call = known ?? { phone, identity, members: new Set() };
      call.identity = identity;
      calls.set(callId, call);
      phone.setRate(rateHz);
      try {
        await sfu.replace(session, phone);
      } catch (error) {
        if (known === undefined) calls.delete(callId);
        throw error;
      }
    },
    async attach(callId, media) {
      const { phone } = callOf(callId);
      const old = phone.leg;
      phone.leg = undefined;
      await old?.close();
      const leg = await deps.connectLeg(media, {
        onFrame: (frame) => phone.onLegFrame(frame),
        onLost: (message) => {
          if (phone.leg !== leg) return;
          phone.leg = undefined;
          log.info({ callId }, message);
          onFact(callId, { type: "media.legLost", message });
        },
      });
      if (calls.get(callId)?.phone !== phone) {
        await leg.close();
        throw new GatewayError("MEDIA_FAILED", "the call left while its audio was being connected");
      }
      phone.leg = leg;
      fitRate(leg);
    },
    bridge(callId) {
      callOf(callId).phone.bridge();
    },
    setHeld(callId, held) {
      callOf(callId).phone.setHeld(held);
    },
    prompt(callId, name) {
      callOf(callId).phone.prompt(name);
    },
    phone: (callId) => callOf(callId).phone,
    setKey(callId, key) {
      const call = calls.get(callId);
      if (call === undefined) return;
      if (key.identity === call.identity) call.phone.track.sfu?.setKey(key);
      else if (!isOurs(key.identity)) listener.setKey(key);
    },
    setMembers(callId, identities) {
      const call = calls.get(callId);
      if (call === undefined) return;
      call.members = new Set(identities);
      for (const { phone } of calls.values()) phone.track.sfu?.review();
    },
    async leave(callId) {
      const call = calls.get(callId);
      if (call === undefined) return;
      calls.delete(callId);
      const { leg, track } = call.phone;
      const client = track.sfu;
      call.phone.leg = undefined;
      track.sfu = undefined;
      leaving.add(call.identity);
      try {
        await Promise.all([leg?.close(), sfu.close(client)]);
      } finally {
        leaving.delete(call.identity);
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
