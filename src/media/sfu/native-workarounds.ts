/**
 * Everything that rtc-node 1.1.0 cannot do or does badly, through the requests of its native half; the only file that touches
 * `@livekit/rtc-ffi-bindings`. Each part says what it replaces and why:
 *
 * - `KeyProvider.setKey` and `FrameCryptor.setKeyIndex` throw (a required field is not sent); nothing mutes a local track;
 *   decryption states are not reported. Here: `setMemberKey`, `setSendKeyIndex`, `setTrackMuted`, `onEncryptionState`.
 * - `AudioSource.captureFrame` makes a promise, a timer and an event listener for each frame, and its queue adds a thread and
 *   delay per track. Here: `openMicrophone` (no queue, frames go to the encoder at once).
 * - Every native event is offered to every room and every audio stream, and each room takes a lock for it: with N phones N² locks.
 *   Here: `installEventRouter` gives audio to its stream, drops what nobody reads, and passes on only the rest.
 * - Its own second attempt to connect leaves the process deaf. Here: `ONE_ATTEMPT`.
 * - The native log arrives as events and shows media keys at debug level. The router does not ask for it.
 */
import { EventEmitter } from "node:events";

import {
  EncryptionState,
  FfiEvent,
  FfiHandle,
  FfiRequest,
  FfiResponse,
  KeyDerivationFunction,
  livekitCopyBuffer,
  livekitFfiRequest,
  livekitInitialize,
  livekitRetrievePtr,
  type PartialMessage,
} from "@livekit/rtc-ffi-bindings";
import type { LocalTrack, RemoteTrack, Room } from "@livekit/rtc-node";

import type { SampleRateHz } from "../frame.ts";

export { KeyDerivationFunction };

/** What rtc-node hides from TypeScript. */
const trackHandle = (track: LocalTrack | RemoteTrack): bigint =>
  (track as unknown as { ffi_handle: FfiHandle }).ffi_handle.handle;
const roomHandle = (room: Room): bigint => (room as unknown as { ffiHandle: FfiHandle }).ffiHandle.handle;

type EventMessage = NonNullable<FfiEvent["message"]>;
type Listener = (event: FfiEvent) => void;

const audioStreams = new Map<bigint, (event: Extract<EventMessage, { case: "audioStreamEvent" }>["value"]) => void>();
const encryptionStates = new Map<bigint, (identity: string, decryptable: boolean) => void>();

/** Field numbers of `FfiEvent` (ffi.proto) that are not worth parsing. */
const IGNORED_FIELDS = new Set([13 /* captureAudioFrame: the frame was taken */, 18 /* logs */]);
/** Room events that come often and that nothing here reads. */
const IGNORED_ROOM_EVENTS = new Set<string | undefined>([
  "activeSpeakersChanged",
  "connectionQualityChanged",
  "dataChannelLowThresholdChanged",
  "participantMetadataChanged",
  "participantAttributesChanged",
]);

type RoomMessage = Extract<EventMessage, { case: "roomEvent" }>["value"]["message"];
/** Of the data packets only keys (SipDTMF) are read. */
const isRead = ({ case: name, value }: RoomMessage): boolean =>
  name === "dataPacketReceived" ? value.value.case === "sipDtmf" : !IGNORED_ROOM_EVENTS.has(name);

const firstField = (data: Uint8Array): number => {
  const low = data[0] ?? 0;
  return ((low & 0x80) === 0 ? low : (low & 0x7f) | ((data[1] ?? 0) << 7)) >> 3;
};

const reportEncryptionState = (event: Extract<EventMessage, { case: "roomEvent" }>["value"]): void => {
  if (event.message.case !== "e2eeStateChanged") return;
  const { participantIdentity, state } = event.message.value;
  const broken = state === EncryptionState.MISSING_KEY || state === EncryptionState.DECRYPTION_FAILED;
  if (broken || state === EncryptionState.OK) {
    encryptionStates.get(event.roomHandle ?? 0n)?.(participantIdentity ?? "", !broken);
  }
};

/** Takes the place of rtc-node's FfiClient: the same methods, but events are routed instead of broadcast. */
class EventRouter extends EventEmitter {
  #asyncId = 0n;

  constructor(sdkVersion: string) {
    super();
    this.setMaxListeners(0);
    livekitInitialize((data) => this.#route(data), false, sdkVersion);
  }

  #route(data: Uint8Array): void {
    if (IGNORED_FIELDS.has(firstField(data))) return;
    const event = FfiEvent.fromBinary(data);
    const message = event.message;
    if (message.case === "audioStreamEvent") {
      audioStreams.get(message.value.streamHandle ?? 0n)?.(message.value);
      return;
    }
    if (message.case === "roomEvent") {
      reportEncryptionState(message.value);
      if (!isRead(message.value.message)) return;
    }
    this.emit("ffi_event", event);
  }

  request(message: PartialMessage<FfiRequest>): unknown {
    return FfiResponse.fromBinary(livekitFfiRequest(new FfiRequest(message).toBinary())).message.value;
  }

  copyBuffer(pointer: bigint, length: number): Uint8Array {
    return livekitCopyBuffer(pointer, length);
  }

  retrievePtr(data: Uint8Array): bigint {
    return livekitRetrievePtr(data);
  }

  getNextRequestAsyncId(): bigint {
    this.#asyncId += 1n;
    return this.#asyncId;
  }

  waitFor(matches: (event: FfiEvent) => boolean, options: { signal?: AbortSignal } = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.off("ffi_event", listener);
        options.signal?.removeEventListener("abort", onAbort);
      };
      const listener: Listener = (event) => {
        if (!matches(event)) return;
        stop();
        resolve(event.message.value);
      };
      const onAbort = (): void => {
        stop();
        reject(new Error("the room was closed"));
      };
      if (options.signal?.aborted === true) {
        onAbort();
        return;
      }
      options.signal?.addEventListener("abort", onAbort);
      this.on("ffi_event", listener);
    });
  }
}

let router: EventRouter | undefined;

/** Must run before the first Room is made: rtc-node uses the client it finds in this global. Idempotent. */
export const installEventRouter = (): void => {
  if (router !== undefined) return;
  router = new EventRouter("1.1.0");
  (globalThis as unknown as { _ffiClientInstance?: EventRouter })._ffiClientInstance = router;
};

/**
 * For `room.connect`, whose types lack it. With the last peer connection libwebrtc terminates its audio device, and rtc-node's device
 * cannot be started again (webrtc-sys `AdmProxy::Init` does nothing): after a first attempt that failed, the second one gets packets
 * and never plays a sample. An attempt of ours begins with a new device.
 */
export const ONE_ATTEMPT = { joinRetries: 0 } as const;

const request = (message: PartialMessage<FfiRequest>["message"]): FfiResponse["message"] => {
  if (message === undefined) throw new Error("empty request");
  return FfiResponse.fromBinary(livekitFfiRequest(new FfiRequest({ message }).toBinary())).message;
};

export const setMemberKey = (room: Room, identity: string, keyIndex: number, key: Uint8Array): void => {
  request({
    case: "e2ee",
    value: {
      roomHandle: roomHandle(room),
      message: { case: "setKey", value: { participantIdentity: identity, key, keyIndex } },
    },
  });
};

/** The sender's index does not follow `setKey`: without this the track goes on with index 0. */
export const setSendKeyIndex = (room: Room, identity: string, trackSid: string, keyIndex: number): void => {
  request({
    case: "e2ee",
    value: {
      roomHandle: roomHandle(room),
      message: { case: "cryptorSetKeyIndex", value: { participantIdentity: identity, trackSid, keyIndex } },
    },
  });
};

export const setTrackMuted = (track: LocalTrack, mute: boolean): void => {
  request({ case: "localTrackMute", value: { trackHandle: trackHandle(track), mute } });
};

/** Reports for each member whether its frames can be decrypted, at every change. */
export const onEncryptionState = (room: Room, listener: (identity: string, decryptable: boolean) => void): void => {
  encryptionStates.set(roomHandle(room), listener);
};

/** Frees what rtc-node keeps of a room after its end: the listener, when the server closed it, and the native handle. */
export const releaseRoom = (room: Room): void => {
  const internals = room as unknown as { onFfiEvent: Listener; ffiHandle?: FfiHandle };
  router?.off("ffi_event", internals.onFfiEvent);
  if (internals.ffiHandle === undefined) return;
  encryptionStates.delete(internals.ffiHandle.handle);
  internals.ffiHandle.dispose();
};

/** Frees the native half of a track. */
export const releaseTrack = (track: LocalTrack): void => {
  (track as unknown as { ffi_handle: FfiHandle }).ffi_handle.dispose();
};

/** 20 ms at a time straight into the encoder of a track. */
export interface Microphone {
  /** Copied before it returns. */
  capture(samples: Int16Array): void;
}

/** Native frames must be 10 ms when the source has no queue (libwebrtc's own unit). */
const CHUNKS = 2;

/**
 * @param sourceHandle of an AudioSource made with queue 0. The native side handles the chunks one after the other on one thread,
 * so that two requests in a row keep their order. Requests are encoded once: only the samples behind the pointer change.
 */
export const openMicrophone = (source: { ffiHandle: { handle: bigint } }, sampleRateHz: SampleRateHz): Microphone => {
  const chunkSamples = sampleRateHz / 100;
  const samples = new Int16Array(CHUNKS * chunkSamples);
  const pointer = livekitRetrievePtr(new Uint8Array(samples.buffer));
  const requests = Array.from({ length: CHUNKS }, (_, chunk) =>
    new FfiRequest({
      message: {
        case: "captureAudioFrame",
        value: {
          sourceHandle: source.ffiHandle.handle,
          buffer: {
            dataPtr: pointer + BigInt(chunk * chunkSamples * Int16Array.BYTES_PER_ELEMENT),
            numChannels: 1,
            sampleRate: sampleRateHz,
            samplesPerChannel: chunkSamples,
          },
        },
      },
    }).toBinary(),
  );
  return {
    capture(frame) {
      samples.set(frame);
      for (const bytes of requests) livekitFfiRequest(bytes);
    },
  };
};

/** Decoded 20 ms frames of a remote track; returns how to stop. */
export const openAudioStream = (
  track: RemoteTrack,
  sampleRateHz: SampleRateHz,
  frameMs: number,
  onFrame: (samples: Int16Array) => void,
): (() => void) => {
  const response = request({
    case: "newAudioStream",
    value: { trackHandle: trackHandle(track), type: 0, sampleRate: sampleRateHz, numChannels: 1, frameSizeMs: frameMs },
  });
  const id = response.case === "newAudioStream" ? response.value.stream?.handle?.id : undefined;
  if (id === undefined) throw new Error("the native library opened no audio stream");
  const handle = new FfiHandle(id);
  audioStreams.set(handle.handle, (event) => {
    if (event.message.case !== "frameReceived") return;
    const buffer = event.message.value.frame;
    const info = buffer?.info;
    if (buffer?.handle?.id === undefined || info?.dataPtr === undefined) return;
    const bytes = livekitCopyBuffer(info.dataPtr, (info.samplesPerChannel ?? 0) * Int16Array.BYTES_PER_ELEMENT);
    new FfiHandle(buffer.handle.id).dispose();
    onFrame(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Int16Array.BYTES_PER_ELEMENT));
  });
  return () => {
    audioStreams.delete(handle.handle);
    handle.dispose();
  };
};
