import {
  AudioSource,
  ConnectionState,
  DisconnectReason,
  EncryptionType,
  LocalAudioTrack,
  Room,
  RoomEvent,
  TrackPublishOptions,
  TrackSource,
} from "@livekit/rtc-node";

import type { MediaKey } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import { createDecoder } from "../codecs/transcode.ts";
import { type SampleRateHz, samplesPerFrame } from "../frame.ts";
import { dtmfCode } from "./dtmf.ts";
import { createNativeTracks } from "./native-tracks.ts";
import {
  installEventRouter,
  KeyDerivationFunction,
  type Microphone,
  ONE_ATTEMPT,
  openMicrophone,
  releaseRoom,
  releaseTrack,
  setMemberKey,
  setSendKeyIndex,
  setTrackMuted,
} from "./native-workarounds.ts";
import type { SfuAddress, SfuClient, SfuClientOptions } from "./port.ts";

/** Rate at which samples go to the Opus encoder: wideband, so that a G.722 phone keeps what it has. */
const MICROPHONE_RATE_HZ: SampleRateHz = 16000;

const SILENCE = new Int16Array(samplesPerFrame(MICROPHONE_RATE_HZ));
/** Time in which the encoder has certainly worked off frames that are to be hidden, also on a busy machine. */
const hideMs = (frames: number): number => 40 + 5 * frames;

/** As Element Call does it: HKDF-SHA256, key index 0 to 255, no ratcheting (facts: livekit.md section 5). */
const E2EE = {
  encryptionType: EncryptionType.GCM,
  keyProviderOptions: {
    keyDerivationFunction: KeyDerivationFunction.HKDF,
    keyRingSize: 256,
    ratchetWindowSize: 0,
    // Frames that the server injects cannot be decrypted; they must not make a good key count as bad.
    failureTolerance: -1,
  },
};

/** SFU client on rtc-node: samples in and out, with libwebrtc's own jitter buffer, Opus and TURN/TLS. */
export const createNativeSfuClient = (options: SfuClientOptions): SfuClient => {
  installEventRouter();
  const { address, events } = options;
  const room = new Room();
  room.setMaxListeners(0); // one per subscribed track
  const decode = createDecoder(MICROPHONE_RATE_HZ);
  /** The newest of each index; the ring of the native side holds as many. */
  const keys: MediaKey[] = [];
  const tracks = createNativeTracks(room, options);
  let source: AudioSource | undefined;
  let track: LocalAudioTrack | undefined;
  let microphone: Microphone | undefined;
  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let state: "new" | "connected" | "interrupted" | "closed" = "new";

  const sender = createSenderKey(room, address.identity);
  const applyKey = (key: MediaKey): void => {
    setMemberKey(room, key.identity, key.index, key.key);
    if (key.identity === address.identity) sender.use(key.index);
  };

  const end = (message: string): void => {
    if (state === "closed") return;
    state = "closed";
    tracks.clear();
    events.onState("closed", message);
  };

  const watchConnection = (): void => {
    room
      .on(RoomEvent.ConnectionStateChanged, (native) => {
        if (state === "closed" || state === "new") return;
        if (native === ConnectionState.CONN_RECONNECTING) {
          state = "interrupted";
          events.onState("interrupted", "the SFU connection was interrupted");
        } else if (native === ConnectionState.CONN_CONNECTED && state === "interrupted") {
          state = "connected";
          // After a full reconnect the track has a new id and nothing is subscribed.
          sender.apply();
          tracks.reviewAll();
          events.onState("connected", "the SFU connection is back");
        }
      })
      .on(RoomEvent.LocalTrackRepublished, (republished) => {
        sender.setTrack(republished.sid);
      })
      .on(RoomEvent.Disconnected, (reason) => {
        end(`the SFU closed the connection (${DisconnectReason[reason] ?? String(reason)})`);
      });
    room.on(RoomEvent.DtmfReceived, (_code, digit, sender) => events.onKey?.(sender?.identity ?? "", digit));
    tracks.watchEncryption();
  };

  const publish = async (): Promise<void> => {
    source = new AudioSource(MICROPHONE_RATE_HZ, 1, 0);
    track = LocalAudioTrack.createAudioTrack("phone", source);
    const publication = await publishMicrophone(room, track);
    microphone = openMicrophone(source, MICROPHONE_RATE_HZ);
    sender.setTrack(publication.sid);
  };

  const open = async (): Promise<void> => {
    tracks.watch();
    await connectRoom(room, address);
    if (state === "closed") {
      await room.disconnect();
      throw new GatewayError("MEDIA_FAILED", "the call left while it was connecting to the SFU");
    }
    state = "connected";
    watchConnection();
    for (const key of keys.splice(0)) applyKey(key);
    try {
      await publish();
    } catch (error) {
      throw new GatewayError("MEDIA_FAILED", "the SFU did not accept the audio track", {
        cause: redact(error, address.token),
        retryable: true,
      });
    }
    tracks.reviewAll();
  };

  const shut = async (): Promise<void> => {
    const wasConnected = state === "connected" || state === "interrupted";
    state = "closed";
    // A connection that is just being made ends by itself, now that the state says so.
    await opening?.catch(() => {});
    tracks.clear();
    microphone = undefined;
    sender.close();
    if (wasConnected) await room.disconnect();
    await source?.close();
    if (track !== undefined) releaseTrack(track);
    releaseRoom(room);
  };

  return {
    connect: () => (opening = open()),
    send(frame) {
      // Also while the connection is interrupted: the clock of the track goes on, and often only the signalling is gone.
      if (microphone === undefined) return;
      for (const samples of decode(frame)) if (samples !== undefined) microphone.capture(samples);
    },
    skip(frames) {
      if (microphone === undefined) return;
      // libwebrtc's RTP clock counts samples, so they have to be given; frames without a key never leave the encryption.
      sender.hide(hideMs(frames));
      for (let i = 0; i < frames; i++) microphone.capture(SILENCE);
    },
    flush: () => tracks.resubscribe(),
    setMuted(muted) {
      if (track !== undefined) setTrackMuted(track, muted);
    },
    press: (_identity, key) => pressKey(room, key),
    setKey(key) {
      if (!address.encrypted || state === "closed") return;
      if (state === "new") keys.push(key);
      else applyKey(key);
    },
    listen(sampleRateHz) {
      tracks.listen(sampleRateHz);
      if (state === "connected") tracks.reviewAll();
    },
    review: () => (state === "connected" ? tracks.reviewAll() : undefined),
    remoteTracks: () => tracks.list(),
    close: () => (closing ??= shut()),
  };
};

/** To everybody: rtc-node does not let us choose. */
const pressKey = async (room: Room, key: string): Promise<void> => {
  try {
    if (!room.isConnected || room.localParticipant === undefined) throw new Error("not connected");
    await room.localParticipant.publishDtmf(dtmfCode(key), key);
  } catch (cause) {
    throw new GatewayError("MEDIA_FAILED", "there is no data channel to press keys over", { cause, retryable: true });
  }
};

const publishMicrophone = (room: Room, track: LocalAudioTrack) => {
  if (room.localParticipant === undefined) throw new Error("the room has no local participant");
  return room.localParticipant.publishTrack(
    track,
    // red would send every frame twice; dtx would make the first syllable after a pause late.
    new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE, dtx: false, red: false }),
  );
};

/** Which of our keys the encryption uses: nothing of rtc-node remembers it across a new track. */
const createSenderKey = (room: Room, identity: string) => {
  let trackSid: string | undefined;
  let index: number | undefined;
  let hiding: NodeJS.Timeout | undefined;
  const apply = (): void => {
    if (index !== undefined && trackSid !== undefined) setSendKeyIndex(room, identity, trackSid, index);
  };
  return {
    apply,
    use(keyIndex: number): void {
      index = keyIndex;
      apply();
    },
    setTrack(sid: string | undefined): void {
      trackSid = sid;
      apply();
    },
    /** For a moment an index without a key: frames encoded now are never sent. */
    hide(durationMs: number): void {
      if (index === undefined || trackSid === undefined) return;
      clearTimeout(hiding);
      setSendKeyIndex(room, identity, trackSid, (index + 128) % 256);
      hiding = setTimeout(apply, durationMs);
    },
    close(): void {
      clearTimeout(hiding);
      trackSid = undefined;
    },
  };
};

const CONNECT_ATTEMPTS = 2;

const connectRoom = async (room: Room, address: SfuAddress): Promise<void> => {
  const options = {
    ...ONE_ATTEMPT,
    // Nothing is heard unless it was asked for: one connection listens for all, and never to video.
    autoSubscribe: false,
    dynacast: false,
    ...(address.encrypted ? { e2ee: E2EE } : {}),
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await room.connect(address.sfuUrl, address.token, options);
    } catch (error) {
      if (attempt < CONNECT_ATTEMPTS) continue;
      throw new GatewayError("SFU_REFUSED", `the SFU at ${originOf(address.sfuUrl)} refused the connection`, {
        cause: redact(error, address.token),
        retryable: true,
      });
    }
  }
};

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : "an invalid address");

/** The error's words without the token and without any query (which carries the token too). */
const redact = (error: unknown, token: string): Error => {
  const message = error instanceof Error ? error.message : String(error);
  return new Error(message.replaceAll(token, "***").replaceAll(/\?\S*/g, "?***"));
};

/** Starts the native library, so that the first call does not wait for it. */
export const warmUpNativeSfu = (): void => installEventRouter();
