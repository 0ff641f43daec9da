import { setTimeout as delay } from "node:timers/promises";

import {
  AudioFrame,
  AudioSource,
  AudioStream,
  EncryptionType,
  LocalAudioTrack,
  type RemoteParticipant,
  type RemoteTrack,
  type RemoteTrackPublication,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
} from "@livekit/rtc-node";
import { FfiRequest, KeyDerivationFunction, livekitFfiRequest } from "@livekit/rtc-ffi-bindings";

import { nowMs } from "./hearing.ts";

// Written apart from the gateway's own SFU client on purpose: the lab must not share its mistakes.

export const SFU_RATE_HZ = 48_000;
const FRAME_SAMPLES = SFU_RATE_HZ / 100;
const JOIN_AGAIN_MS = 500;

export interface SfuOptions {
  readonly url: string;
  readonly token: string;
  /** Own LiveKit identity: the media key filed under it is the one to send with. */
  readonly identity: string;
  readonly encrypted: boolean;
  /** Every 10 ms frame of every remote microphone with its arrival; undefined: subscribe to nobody. */
  readonly onFrame: ((identity: string, pcm: Int16Array, atMs: number) => void) | undefined;
  /** Subscribe to these users only; default everybody. */
  readonly onlyFrom?: readonly string[];
}

export interface SfuConnection {
  setKey(identity: string, index: number, key: Uint8Array): void;
  /** Hands 10 ms to the encoder at once, without a queue. */
  capture(pcm: Int16Array): void;
  close(): Promise<void>;
}

type E2eeMessage = NonNullable<Extract<FfiRequest["message"], { case: "e2ee" }>["value"]["message"]>;

/** rtc-node 1.1.0: KeyProvider.setKey and FrameCryptor.setKeyIndex throw, the same requests by hand work. */
function requestE2ee(room: Room, message: E2eeMessage): void {
  const { handle } = (room as unknown as { ffiHandle: { handle: bigint } }).ffiHandle;
  const request = new FfiRequest({ message: { case: "e2ee", value: { roomHandle: handle, message } } });
  livekitFfiRequest(request.toBinary());
}

interface JoinedRoom {
  setKey(key: MediaKey): void;
  capture(frame: AudioFrame): void;
  close(): Promise<void>;
}

interface MediaKey {
  readonly identity: string;
  readonly index: number;
  readonly key: Uint8Array;
}

/** Joins, publishes a microphone track that says nothing yet, and subscribes; when it is interrupted it joins anew until it is let in. */
export async function connectSfu(options: SfuOptions): Promise<SfuConnection> {
  // Every index of everybody, as the ring of a key provider holds them.
  const keys = new Map<string, MediaKey>();
  let joined: JoinedRoom | undefined;
  let closed = false;
  const join = async (): Promise<void> => {
    joined = await joinRoom(options, () => void joinAgain());
    for (const key of keys.values()) joined.setKey(key);
    if (closed) await joined.close();
  };
  // rtc-node comes back by itself, but is deaf then to tracks that others publish later: it makes no offer for them.
  const joinAgain = async (): Promise<void> => {
    const interrupted = joined;
    joined = undefined;
    await interrupted?.close();
    for (;;) {
      if (closed) return;
      try {
        return await join();
      } catch {
        await delay(JOIN_AGAIN_MS);
      }
    }
  };
  await join();
  return {
    setKey: (identity, index, key) => {
      const mediaKey = { identity, index, key };
      const name = `${identity} ${index}`;
      // The newest last: of the own ones it is the one to send with.
      keys.delete(name);
      keys.set(name, mediaKey);
      joined?.setKey(mediaKey);
    },
    capture: (pcm) => joined?.capture(new AudioFrame(pcm, SFU_RATE_HZ, 1, FRAME_SAMPLES)),
    close: async () => {
      closed = true;
      await joined?.close();
    },
  };
}

async function joinRoom(options: SfuOptions, onInterrupted: () => void): Promise<JoinedRoom> {
  const room = new Room();
  if (options.onFrame !== undefined) subscribe(room, options.onFrame);
  const subscribeToThose = subscribeTo(room, options.onlyFrom ?? []);
  const roomOptions = {
    // rtc-node's own second attempt connects without ever playing a sample.
    joinRetries: 0,
    autoSubscribe: options.onFrame !== undefined && options.onlyFrom === undefined,
    dynacast: false,
    // Element Call's parameters (its src/e2ee/matrixKeyProvider.ts); rtc-node derives with PBKDF2 unless told.
    ...(options.encrypted && {
      e2ee: {
        encryptionType: EncryptionType.GCM,
        keyProviderOptions: {
          keyDerivationFunction: KeyDerivationFunction.HKDF,
          keyRingSize: 256,
          ratchetWindowSize: 0,
          failureTolerance: 10,
        },
      },
    }),
  };
  const connect = (): Promise<void> => room.connect(options.url, options.token, roomOptions);
  await connect().catch(connect);
  subscribeToThose();
  // 0: no queue in the native half, which then demands frames of exactly 10 ms.
  const source = new AudioSource(SFU_RATE_HZ, 1, 0);
  const track = LocalAudioTrack.createAudioTrack("microphone", source);
  const publication = await room.localParticipant!.publishTrack(
    track,
    new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE, dtx: false, red: false }),
  );
  room.once(RoomEvent.Reconnecting, onInterrupted);
  return {
    setKey: ({ identity, index, key }) => {
      requestE2ee(room, { case: "setKey", value: { participantIdentity: identity, key, keyIndex: index } as never });
      if (identity !== options.identity) return;
      // The sender's index does not follow setKey.
      const trackSid = publication.sid!;
      requestE2ee(room, {
        case: "cryptorSetKeyIndex",
        value: { participantIdentity: identity, trackSid, keyIndex: index } as never,
      });
    },
    // Rejects when the source was closed between two ticks: nothing to do then.
    capture: (frame) => void source.captureFrame(frame).catch(() => {}),
    close: async () => {
      await room.disconnect();
      await source.close();
    },
  };
}

/** To microphones that come; what it returns, to those that are there already. */
function subscribeTo(room: Room, users: readonly string[]): () => void {
  const look = (publication: RemoteTrackPublication, { identity }: RemoteParticipant): void => {
    if (users.some((user) => identity.startsWith(`${user}:`))) publication.setSubscribed(true);
  };
  room.on(RoomEvent.TrackPublished, look);
  return () => {
    for (const participant of room.remoteParticipants.values()) {
      for (const publication of participant.trackPublications.values()) look(publication, participant);
    }
  };
}

function subscribe(room: Room, onFrame: NonNullable<SfuOptions["onFrame"]>): void {
  const read = async (identity: string, track: RemoteTrack): Promise<void> => {
    const stream = new AudioStream(track, { sampleRate: SFU_RATE_HZ, numChannels: 1, frameSizeMs: 10 });
    for await (const frame of stream) onFrame(identity, frame.data, nowMs());
  };
  room.on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
    // The stream ends, or fails, with the track.
    if (track.kind === TrackKind.KIND_AUDIO) read(participant.identity, track).catch(() => {});
  });
}
