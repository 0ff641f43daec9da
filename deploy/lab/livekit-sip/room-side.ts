/** The LiveKit side of one SIP participant: in the leg room before the INVITE leaves, or while a call to us rings, as livekit-sip does it. */
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  LocalAudioTrack,
  type RemoteTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
} from "@livekit/rtc-node";
import { SAMPLES_PER_FRAME } from "./rtp.ts";

const SAMPLE_RATE_HZ = 8000;
/** livekit-sip mixes the room with about 60 ms of buffer: three frames before the first one is played. */
const MIX_START_FRAMES = 3;
const MIX_MAX_FRAMES = 5;

export interface RoomSide {
  /** Not awaited: now and then rtc-node waits 5 s for an answer that has come already. */
  setStatus(status: "ringing" | "active"): void;
  /** Starts hearing the room; livekit-sip subscribes only after the answer. */
  openRoomAudio(): void;
  /** Audio of the phone for the room. */
  play(samples: Int16Array): void;
  /** The next 20 ms of what the phone hears. */
  nextMix(): Int16Array;
  publishKey(code: number, key: string): Promise<void>;
  /** Keys that others in the room press towards the phone; one at a time. */
  onKey(handler: (key: string) => Promise<void>): void;
  /** Resolves when another participant's audio track is subscribed to: what answers a call to us. */
  readonly audible: Promise<void>;
  readonly closed: Promise<void>;
  leave(): Promise<void>;
}

export const joinRoomSide = async (url: string, token: string): Promise<RoomSide> => {
  const room = new Room();
  const source = new AudioSource(SAMPLE_RATE_HZ, 1, 200);
  const queues = new Map<string, { frames: Int16Array[]; playing: boolean }>();
  let hearing = false;

  const pump = async (track: RemoteTrack, sid: string): Promise<void> => {
    const queue = { frames: [] as Int16Array[], playing: false };
    queues.set(sid, queue);
    const stream = new AudioStream(track, { sampleRate: SAMPLE_RATE_HZ, numChannels: 1, frameSizeMs: 20 });
    for await (const frame of stream) {
      if (!hearing) continue;
      queue.frames.push(frame.data);
      if (queue.frames.length >= MIX_START_FRAMES) queue.playing = true;
      if (queue.frames.length > MIX_MAX_FRAMES) queue.frames.shift();
    }
    queues.delete(sid);
  };
  room.on(RoomEvent.TrackSubscribed, (track, publication) => {
    if (track.kind === TrackKind.KIND_AUDIO) void pump(track, publication.sid ?? "");
  });
  const audible = new Promise<void>((resolve) => {
    room.on(RoomEvent.TrackSubscribed, ({ kind }) => (kind === TrackKind.KIND_AUDIO ? resolve() : undefined));
  });
  const closed = new Promise<void>((resolve) => {
    room.on(RoomEvent.Disconnected, () => resolve());
  });

  await room.connect(url, token, { autoSubscribe: true, dynacast: false });
  const participant = room.localParticipant;
  if (participant === undefined) throw new Error("joined without a local participant");
  const options = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE, dtx: false, red: false });
  await participant.publishTrack(LocalAudioTrack.createAudioTrack("sip", source), options);

  return {
    setStatus: (status) => {
      participant.setAttributes({ ...participant.attributes, "sip.callStatus": status }).catch(() => {});
    },
    openRoomAudio: () => {
      hearing = true;
    },
    play: (samples) => {
      // A copy: rtc-node hands the whole underlying buffer to the native side.
      const frame = new AudioFrame(samples.slice(), SAMPLE_RATE_HZ, 1, samples.length);
      if (source.queuedDuration < 150) source.captureFrame(frame).catch(() => {});
    },
    nextMix: () => {
      const mix = new Int16Array(SAMPLES_PER_FRAME);
      for (const queue of queues.values()) {
        const frame = queue.playing ? queue.frames.shift() : undefined;
        if (frame === undefined) {
          queue.playing = false;
          continue;
        }
        for (let i = 0; i < SAMPLES_PER_FRAME; i++) {
          mix[i] = Math.max(-32768, Math.min(32767, (mix[i] ?? 0) + (frame[i] ?? 0)));
        }
      }
      return mix;
    },
    publishKey: (code, key) => participant.publishDtmf(code, key),
    onKey: (handler) => {
      let pressed = Promise.resolve();
      room.on(RoomEvent.DtmfReceived, (_code, key) => {
        pressed = pressed.then(() => handler(key));
      });
    },
    audible,
    closed,
    leave: async () => {
      await room.disconnect();
      await source.close();
    },
  };
};
