// A member in a browser: livekit-client with Element Call's options and keys. Driven by browser-member.ts.
import { BaseKeyProvider, Room, RoomEvent, Track } from "livekit-client";

import { PAGE_RATE_HZ, type PageJoin } from "./api.ts";

const ANALYSER_SAMPLES = 8192;

/** Element Call's src/e2ee/matrixKeyProvider.ts. */
class MemberKeys extends BaseKeyProvider {
  constructor() {
    super({ ratchetWindowSize: 10, keyringSize: 256 });
  }

  async set(identity: string, index: number, mediaKey: Uint8Array<ArrayBuffer>): Promise<void> {
    const material = await crypto.subtle.importKey("raw", mediaKey, "HKDF", false, ["deriveBits", "deriveKey"]);
    this.onSetEncryptionKey(material, identity, index);
  }
}

const context = new AudioContext({ sampleRate: PAGE_RATE_HZ });
const keys = new MemberKeys();
const analysers = new Map<string, AnalyserNode>();
const oscillator = context.createOscillator();
let room: Room | undefined;

const openMicrophone = (toneHz: number): MediaStreamTrack | undefined => {
  const gain = context.createGain();
  const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  oscillator.frequency.value = toneHz;
  gain.gain.value = 0.25;
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return destination.stream.getAudioTracks()[0];
};

const listen = (identity: string, track: MediaStreamTrack): void => {
  const analyser = new AnalyserNode(context, { fftSize: ANALYSER_SAMPLES });
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  analysers.set(identity, analyser);
};

const join = async ({ url, token, encrypted, toneHz }: PageJoin): Promise<void> => {
  await context.resume();
  const worker = new Worker("/e2ee-worker.js", { type: "module" });
  room = new Room(encrypted ? { encryption: { keyProvider: keys, worker } } : {});
  room.on(RoomEvent.TrackSubscribed, (track, _publication, { identity }) => {
    if (track.kind !== Track.Kind.Audio) return;
    // Chromium gives Web Audio nothing of a remote track that no element plays.
    track.attach();
    listen(identity, track.mediaStreamTrack);
  });
  if (encrypted) await room.setE2EEEnabled(true);
  await room.connect(url, token);
  const microphone = openMicrophone(toneHz);
  if (microphone === undefined) throw new Error("Web Audio gives no track");
  await room.localParticipant.publishTrack(microphone, {
    source: Track.Source.Microphone,
    dtx: true,
    red: false,
  });
};

const heard = (identity: string): number[] => {
  const samples = new Float32Array(ANALYSER_SAMPLES);
  const analyser = analysers.get(identity);
  if (analyser === undefined) return [];
  analyser.getFloatTimeDomainData(samples);
  return Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
};

window.sfuMember = {
  join,
  setKey: (identity, index, key) =>
    keys.set(
      identity,
      index,
      Uint8Array.from(atob(key), (character) => character.charCodeAt(0)),
    ),
  setTone: (frequencyHz) => {
    oscillator.frequency.value = frequencyHz;
  },
  setMuted: async (muted) => {
    const publication = room?.localParticipant.getTrackPublication(Track.Source.Microphone);
    await (muted ? publication?.mute() : publication?.unmute());
  },
  heard,
  speakers: () => room?.activeSpeakers.map(({ identity }) => identity) ?? [],
  muted: () =>
    [...(room?.remoteParticipants.values() ?? [])]
      .filter((participant) => !participant.isMicrophoneEnabled)
      .map(({ identity }) => identity),
};
