/**
 * A member with a microphone, as a process of its own: joins an SFU room with rtc-node the way Element Call does, says a tone,
 * and measures what it hears of everybody. Driven over IPC by talker.ts.
 */
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  EncryptionType,
  LocalAudioTrack,
  type RemoteTrackPublication,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
} from "@livekit/rtc-node";

import {
  KeyDerivationFunction,
  ONE_ATTEMPT,
  setMemberKey,
  setSendKeyIndex,
} from "../../../src/media/sfu/native-workarounds.ts";
import { createSubscription, type Subscription } from "../../../src/media/sfu/subscription.ts";
import { createTone, monotonicMs, onsetOf, toneLevel } from "./tones.ts";
import type { TalkerAnswer, TalkerRequest } from "./talker.ts";

const RATE_HZ = 48000;
const FRAME = RATE_HZ / 100;
const KEPT_FRAMES = 100;

const room = new Room();
const heard = new Map<string, Int16Array[]>();
let tone: ReturnType<typeof createTone> | undefined;
let burst: { resolve: (at: number) => void; frames: number; source: ReturnType<typeof createTone> } | undefined;
/** The loud sound that is waited for. */
let onset: { readonly identity: string; readonly quiet: PromiseWithResolvers<undefined>; isQuiet: boolean } | undefined;
let onsetAt = Promise.withResolvers<number>();
let trackSid = "";
let identity = "";
let sendIndex = 0;

/** rtc-node 1.1.0 now and then gives no frame at all of one of two tracks that come at once: subscribed again until there is one. */
const subscriptions = new Map<string, Subscription>();
const subscriptionTo = (publication: RemoteTrackPublication): Subscription => {
  const sid = publication.sid ?? "";
  const subscription = subscriptions.get(sid) ?? createSubscription(publication);
  subscriptions.set(sid, subscription);
  subscription.want(true);
  return subscription;
};
const forget = (sid: string | undefined): void => {
  subscriptions.get(sid ?? "")?.close();
  subscriptions.delete(sid ?? "");
};

const listen = async (stream: AudioStream, subscription: Subscription, from: string): Promise<void> => {
  const frames: Int16Array[] = [];
  heard.set(from, frames);
  for await (const frame of stream) {
    subscription.arrived();
    frames.push(frame.data);
    if (frames.length > KEPT_FRAMES) frames.shift();
    if (onset?.identity !== from) continue;
    const at = onsetOf(frame.data);
    if (at < 0) {
      onset.isQuiet = true;
      onset.quiet.resolve(undefined);
    } else if (onset.isQuiet) {
      onsetAt.resolve(monotonicMs() - 10 + (at / RATE_HZ) * 1000);
      onset = undefined;
    }
  }
};

const speak = async (source: AudioSource): Promise<void> => {
  for (let due = performance.now(); ; due += 10) {
    const wait = due - performance.now();
    if (wait > 1) {
      await new Promise((resolve) => {
        setTimeout(resolve, wait);
      });
    }
    let samples = tone?.(FRAME) ?? new Int16Array(FRAME);
    if (burst !== undefined) {
      samples = burst.source(FRAME);
      burst.resolve(monotonicMs());
      burst.frames -= 1;
      if (burst.frames === 0) burst = undefined;
    }
    await source.captureFrame(new AudioFrame(samples, RATE_HZ, 1, FRAME));
  }
};

const join = async (request: Extract<TalkerRequest, { type: "join" }>): Promise<void> => {
  identity = request.identity;
  room.on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
    if (track.kind !== TrackKind.KIND_AUDIO) return;
    void listen(
      new AudioStream(track, { sampleRate: RATE_HZ, numChannels: 1 }),
      subscriptionTo(publication),
      participant.identity,
    );
  });
  room.on(RoomEvent.TrackUnpublished, (publication) => forget(publication.sid));
  room.on(RoomEvent.ParticipantDisconnected, (participant) => heard.delete(participant.identity));
  const e2ee = {
    encryptionType: EncryptionType.GCM,
    keyProviderOptions: {
      keyDerivationFunction: KeyDerivationFunction.HKDF,
      keyRingSize: 256,
      ratchetWindowSize: 0,
      failureTolerance: -1,
    },
  };
  const options = { ...ONE_ATTEMPT, autoSubscribe: true, dynacast: false, ...(request.encrypted ? { e2ee } : {}) };
  const connect = (): Promise<void> => room.connect(request.url, request.token, options);
  // An SFU that has just come back may let the first attempt time out.
  await connect().catch(connect);
  const source = new AudioSource(RATE_HZ, 1, 0);
  const publication = await room.localParticipant!.publishTrack(
    LocalAudioTrack.createAudioTrack("mic", source),
    new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE, dtx: false, red: false }),
  );
  trackSid = publication.sid!;
  void speak(source);
};

const handle = async (request: TalkerRequest): Promise<TalkerAnswer["value"]> => {
  switch (request.type) {
    case "join":
      await join(request);
      return undefined;
    case "key":
      setMemberKey(room, request.identity, request.index, Buffer.from(request.key, "base64"));
      if (request.identity === identity) {
        sendIndex = request.index;
        setSendKeyIndex(room, identity, trackSid, sendIndex);
      }
      return undefined;
    case "say":
      tone =
        request.frequencyHz === undefined ? undefined : createTone(RATE_HZ, request.frequencyHz, request.amplitude);
      return undefined;
    case "press":
      await room.localParticipant?.publishDtmf(request.code, request.digit);
      return undefined;
    case "burst":
      return new Promise((resolve) => {
        burst = { resolve, frames: 10, source: createTone(RATE_HZ, 1000, 12000) };
      });
    case "quiet":
      onset = { identity: request.identity, quiet: Promise.withResolvers(), isQuiet: false };
      onsetAt = Promise.withResolvers();
      return onset.quiet.promise;
    case "onset":
      return onsetAt.promise;
    case "level": {
      const frames = heard.get(request.identity) ?? [];
      const recent = frames.slice(-request.ms / 10);
      const samples = new Int16Array(recent.length * FRAME);
      recent.forEach((frame, i) => samples.set(frame, i * FRAME));
      return recent.length === 0 ? -120 : toneLevel(samples, RATE_HZ, request.frequencyHz);
    }
    case "participants":
      return [...room.remoteParticipants.values()].map((participant) => ({
        identity: participant.identity,
        muted: [...participant.trackPublications.values()].some((publication) => publication.muted === true),
        tracks: participant.trackPublications.size,
      }));
  }
};

process.on("message", (message: { id: number; request: TalkerRequest }) => {
  handle(message.request).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
