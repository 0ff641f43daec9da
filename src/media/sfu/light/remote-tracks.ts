import {
  Encryption_Type,
  type ParticipantInfo,
  ParticipantInfo_State,
  type TrackInfo,
  TrackType,
} from "@livekit/protocol";

import type { Clock } from "../../../clock.ts";
import { createSubscription, type Subscription } from "../subscription.ts";
import type { RemoteTrack, SfuClientOptions } from "../port.ts";
import type { FrameKeys } from "./frame-crypto.ts";
import { createIncoming, type Incoming } from "./incoming.ts";

interface KnownTrack extends RemoteTrack {
  muted: boolean;
  undecryptable: boolean;
  readonly participantSid: string;
  readonly inClear: boolean;
  readonly subscription: Subscription;
  incoming: Incoming;
}

/** What is kept of a participant: every connection keeps all of them, so of a hundred phones each has a hundred. */
interface Participant {
  readonly sid: string;
  readonly identity: string;
  readonly audio: readonly Pick<TrackInfo, "sid" | "muted" | "encryption">[];
}

const audioOf = ({ sid, identity, tracks }: ParticipantInfo): Participant => ({
  sid,
  identity,
  audio: tracks
    .filter(({ type, sid: trackId }) => type === TrackType.AUDIO && trackId !== "")
    .map(({ sid: trackId, muted, encryption }) => ({ sid: trackId, muted, encryption })),
});

export interface RemoteTracksOptions extends SfuClientOptions {
  readonly clock: Clock;
  readonly keys: FrameKeys;
  /** Asks the SFU for the frames of a track, or no longer. */
  readonly subscribe: (trackId: string, participantSid: string, subscribed: boolean) => void;
  /** Asks the SFU for packets again. */
  readonly onMissing: (ssrc: number, sequences: readonly number[]) => void;
}

/** The remote audio tracks of one connection: which there are, which are subscribed, and the frames of those. */
export interface RemoteTracks {
  /** What the SFU says of itself and of us: before the first participant. */
  begin(ownSid: string, injectedTrailer: Uint8Array): void;
  /** Participants that are new or have changed, each with all its tracks. */
  update(participants: readonly ParticipantInfo[]): void;
  /** A track is gone, says the SFU. */
  unpublished(trackId: string): void;
  /** Which track comes in which section from now on. */
  setSections(trackOfMid: Readonly<Record<string, string>>): void;
  onPacket(mid: string, packet: Buffer): void;
  listen(listening: boolean): void;
  review(): void;
  /** Says again which tracks are wanted: the SFU may not have heard it. */
  resubscribe(): void;
  flush(): void;
  list(): readonly RemoteTrack[];
  /** The connection is gone: every track ends, without a word to the SFU. */
  end(): void;
}

const openIncoming = (
  { address, clock, events, keys, onMissing }: RemoteTracksOptions,
  remote: Omit<KnownTrack, "incoming">,
  injectedTrailer: Uint8Array,
  isListening: () => boolean,
): Incoming =>
  createIncoming({
    clock,
    ...(address.encrypted ? { keyOf: (index: number) => keys.get(remote.identity, index) } : {}),
    injectedTrailer,
    onFrame: (frame) => {
      if (isListening()) events.onFrame(remote, frame);
    },
    onUndecryptable: (undecryptable) => {
      remote.undecryptable = undecryptable;
    },
    onMissing,
  });

export const createRemoteTracks = (options: RemoteTracksOptions): RemoteTracks => {
  const { address, events } = options;
  const tracks = new Map<string, KnownTrack>();
  const trackOfMid = new Map<string, string>();
  const participants = new Map<string, Participant>();
  let ownSid = "";
  let injectedTrailer: Uint8Array = new Uint8Array();
  let listening = false;

  const isSubscribed = (trackId: string): boolean => [...trackOfMid.values()].includes(trackId);
  const add = (info: Participant["audio"][number], participant: Participant): KnownTrack => {
    const trackId = info.sid;
    // In an encrypted room a track in clear is not from a member: whoever runs the SFU could have injected it. Never heard.
    const inClear = address.encrypted && info.encryption !== Encryption_Type.GCM;
    const remote = {
      trackId,
      identity: participant.identity,
      participantSid: participant.sid,
      muted: info.muted,
      inClear,
      undecryptable: inClear,
      subscription: createSubscription({
        get subscribed() {
          return isSubscribed(trackId);
        },
        setSubscribed: (subscribed) => options.subscribe(trackId, participant.sid, subscribed),
      }),
    };
    const known: KnownTrack = Object.assign(remote, {
      incoming: openIncoming(options, remote, injectedTrailer, () => listening),
    });
    tracks.set(trackId, known);
    return known;
  };
  const forget = (remote: KnownTrack | undefined): void => {
    if (remote === undefined) return;
    remote.subscription.want(false);
    remote.subscription.close();
    remote.incoming.flush();
    tracks.delete(remote.trackId);
    events.onTrackEnded(remote);
  };
  const reviewTrack = (info: Participant["audio"][number], participant: Participant): void => {
    const known = tracks.get(info.sid);
    if (!options.wants(participant.identity)) {
      forget(known);
      return;
    }
    const remote = known ?? add(info, participant);
    remote.muted = info.muted;
    remote.subscription.want(listening && !remote.inClear);
  };
  const reviewParticipant = (participant: Participant): void => {
    for (const info of participant.audio) reviewTrack(info, participant);
    const published = new Set(participant.audio.map(({ sid }) => sid));
    for (const remote of tracks.values()) {
      if (remote.participantSid === participant.sid && !published.has(remote.trackId)) forget(remote);
    }
  };
  const review = (): void => {
    for (const participant of participants.values()) reviewParticipant(participant);
  };

  return {
    review,
    begin(sid, trailer) {
      ownSid = sid;
      injectedTrailer = trailer;
    },
    update(changed) {
      for (const info of changed) {
        const { sid } = info;
        if (sid === "" || sid === ownSid) continue;
        if (info.state === ParticipantInfo_State.DISCONNECTED) {
          participants.delete(sid);
          for (const remote of tracks.values()) if (remote.participantSid === sid) forget(remote);
        } else {
          const participant = audioOf(info);
          participants.set(sid, participant);
          reviewParticipant(participant);
        }
      }
    },
    unpublished: (trackId) => forget(tracks.get(trackId)),
    setSections(sections) {
      trackOfMid.clear();
      for (const [mid, trackId] of Object.entries(sections)) trackOfMid.set(mid, trackId);
      for (const trackId of trackOfMid.values()) tracks.get(trackId)?.subscription.arrived();
    },
    onPacket(mid, packet) {
      tracks.get(trackOfMid.get(mid) ?? "")?.incoming.push(packet);
    },
    listen(value) {
      listening = value;
      if (!listening) for (const remote of tracks.values()) remote.incoming.flush();
      review();
    },
    resubscribe() {
      for (const { trackId, participantSid, inClear } of tracks.values()) {
        options.subscribe(trackId, participantSid, listening && !inClear);
      }
    },
    flush() {
      for (const remote of tracks.values()) remote.incoming.flush();
    },
    list: () => [...tracks.values()],
    end() {
      for (const remote of tracks.values()) {
        remote.subscription.close();
        remote.incoming.flush();
        events.onTrackEnded(remote);
      }
      tracks.clear();
      participants.clear();
    },
  };
};
