import {
  EncryptionType,
  type RemoteParticipant,
  type RemoteTrack as NativeTrack,
  type RemoteTrackPublication,
  type Room,
  RoomEvent,
  TrackKind,
} from "@livekit/rtc-node";

import { FRAME_MS, type SampleRateHz } from "../frame.ts";
import { onEncryptionState, openAudioStream } from "./native-workarounds.ts";
import type { RemoteTrack, SfuClientOptions } from "./port.ts";

interface KnownTrack extends RemoteTrack {
  muted: boolean;
  undecryptable: boolean;
  readonly publication: RemoteTrackPublication;
  track?: NativeTrack;
  /** Present while frames flow. */
  stop?: () => void;
}

/** The remote audio tracks of one room: which there are, and the frames of those that are listened to. */
export interface NativeTracks {
  /** Registers for the events of the room; before `room.connect`. */
  watch(): void;
  /** Registers for what needs a connected room. */
  watchEncryption(): void;
  /** Rate of the frames; undefined stops and unsubscribes all. */
  listen(sampleRateHz: SampleRateHz | undefined): void;
  /** Looks at every publication again: after connecting, and after a full reconnect, which loses all subscriptions. */
  reviewAll(): void;
  /** Ends and renews every subscription: a new one starts with an empty jitter buffer. */
  resubscribe(): void;
  list(): readonly RemoteTrack[];
  clear(): void;
}

export const createNativeTracks = (room: Room, options: SfuClientOptions): NativeTracks => {
  const { address, events } = options;
  const tracks = new Map<string, KnownTrack>();
  let listenRateHz: SampleRateHz | undefined;

  const startFrames = (remote: KnownTrack): void => {
    if (remote.track === undefined || listenRateHz === undefined || remote.stop !== undefined) return;
    const sampleRateHz = listenRateHz;
    remote.stop = openAudioStream(remote.track, sampleRateHz, FRAME_MS, (samples) =>
      events.onFrame(remote, { codec: "slin", sampleRateHz, samples }),
    );
  };
  const stopFrames = (remote: KnownTrack): void => {
    remote.stop?.();
    delete remote.stop;
  };
  const forget = (remote: KnownTrack): void => {
    stopFrames(remote);
    tracks.delete(remote.trackId);
    events.onTrackEnded(remote);
  };
  /** In an encrypted room a track in clear is not from a member: whoever runs the SFU could have injected it. Never heard. */
  const isInClear = (pub: RemoteTrackPublication): boolean =>
    address.encrypted && pub.encryptionType !== EncryptionType.GCM;
  /** Notes a publication and (un)subscribes it as wanted now. */
  const review = (pub: RemoteTrackPublication, participant: RemoteParticipant | undefined): void => {
    const trackId = pub.sid;
    if (trackId === undefined || participant === undefined || pub.kind !== TrackKind.KIND_AUDIO) return;
    let remote = tracks.get(trackId);
    if (!options.wants(participant.identity)) {
      if (remote !== undefined) forget(remote);
      if (pub.subscribed) pub.setSubscribed(false);
      return;
    }
    if (remote?.publication !== pub) {
      if (remote !== undefined) stopFrames(remote);
      remote = {
        trackId,
        identity: participant.identity,
        muted: pub.muted ?? false,
        undecryptable: isInClear(pub),
        publication: pub,
      };
      tracks.set(trackId, remote);
    }
    const listening = listenRateHz !== undefined && !isInClear(pub);
    if (listening) startFrames(remote);
    else stopFrames(remote);
    if (pub.subscribed !== listening) pub.setSubscribed(listening);
  };
  const reviewAll = (): void => {
    for (const participant of room.remoteParticipants.values()) {
      for (const pub of participant.trackPublications.values()) review(pub, participant);
    }
  };
  const known = (pub: { sid?: string | undefined }): KnownTrack | undefined => tracks.get(pub.sid ?? "");
  const watch = (): void => {
    room
      .on(RoomEvent.TrackPublished, review)
      .on(RoomEvent.TrackUnpublished, (pub) => {
        const remote = known(pub);
        if (remote !== undefined) forget(remote);
      })
      .on(RoomEvent.TrackSubscribed, (remoteTrack, pub, participant) => {
        const remote = known(pub);
        if (remote !== undefined) remote.track = remoteTrack;
        review(pub, participant);
      })
      .on(RoomEvent.TrackUnsubscribed, (_track, pub, participant) => {
        const remote = known(pub);
        if (remote === undefined) return;
        stopFrames(remote);
        delete remote.track;
        review(pub, participant);
      })
      .on(RoomEvent.TrackMuted, (pub) => {
        const remote = known(pub);
        if (remote !== undefined) remote.muted = true;
      })
      .on(RoomEvent.TrackUnmuted, (pub) => {
        const remote = known(pub);
        if (remote !== undefined) remote.muted = false;
      })
      .on(RoomEvent.ParticipantDisconnected, (participant) => {
        for (const remote of tracks.values()) if (remote.identity === participant.identity) forget(remote);
      });
  };

  return {
    watch,
    watchEncryption() {
      onEncryptionState(room, (identity, decryptable) => {
        for (const remote of tracks.values()) {
          if (remote.identity === identity) remote.undecryptable = !decryptable || isInClear(remote.publication);
        }
      });
    },
    listen(sampleRateHz) {
      if (listenRateHz !== sampleRateHz) for (const remote of tracks.values()) stopFrames(remote);
      listenRateHz = sampleRateHz;
    },
    reviewAll,
    resubscribe() {
      for (const { publication } of tracks.values()) if (publication.subscribed) publication.setSubscribed(false);
    },
    list: () => [...tracks.values()],
    clear() {
      for (const remote of tracks.values()) stopFrames(remote);
      tracks.clear();
    },
  };
};
