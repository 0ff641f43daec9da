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
import { createSubscription, type Subscription } from "./subscription.ts";
import type { RemoteTrack, SfuClientOptions } from "./port.ts";

interface KnownTrack extends RemoteTrack {
  muted: boolean;
  undecryptable: boolean;
  readonly publication: RemoteTrackPublication;
  readonly subscription: Subscription;
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
  /** Ends and renews every subscription, one after the other: a new one starts with an empty jitter buffer. */
  resubscribe(): void;
  list(): readonly RemoteTrack[];
  clear(): void;
}

const stopFrames = (remote: KnownTrack): void => {
  remote.stop?.();
  delete remote.stop;
};

/** Ends what we hold of a track that is gone or replaced. */
const release = (remote: KnownTrack): void => {
  stopFrames(remote);
  remote.subscription.close();
};

export const createNativeTracks = (room: Room, options: SfuClientOptions): NativeTracks => {
  const { address, events } = options;
  const tracks = new Map<string, KnownTrack>();
  /** Subscriptions still to be renewed; the first one is being renewed now. */
  const renewals: string[] = [];
  let listenRateHz: SampleRateHz | undefined;

  /** Two at once would take each other's place in the SFU's connection, and one of them never comes back (livekit-server 1.13.5). */
  const renewFirst = (): void => {
    for (; renewals[0] !== undefined; renewals.shift()) {
      const publication = tracks.get(renewals[0])?.publication;
      if (publication?.subscribed === true) return publication.setSubscribed(false);
    }
  };
  const renewed = (remote: KnownTrack): void => {
    if (renewals[0] !== remote.trackId) return;
    renewals.shift();
    renewFirst();
  };
  const startFrames = (remote: KnownTrack): void => {
    if (remote.track === undefined || listenRateHz === undefined || remote.stop !== undefined) return;
    const sampleRateHz = listenRateHz;
    remote.stop = openAudioStream(remote.track, sampleRateHz, FRAME_MS, (samples) =>
      events.onFrame(remote, { codec: "slin", sampleRateHz, samples }),
    );
  };
  const forget = (remote: KnownTrack | undefined): void => {
    if (remote === undefined) return;
    remote.subscription.want(false);
    release(remote);
    tracks.delete(remote.trackId);
    events.onTrackEnded(remote);
    renewed(remote);
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
      forget(remote);
      return;
    }
    if (remote?.publication !== pub) {
      if (remote !== undefined) release(remote);
      remote = {
        trackId,
        identity: participant.identity,
        muted: pub.muted ?? false,
        undecryptable: isInClear(pub),
        publication: pub,
        subscription: createSubscription(pub),
      };
      tracks.set(trackId, remote);
    }
    const listening = listenRateHz !== undefined && !isInClear(pub);
    if (listening) startFrames(remote);
    else stopFrames(remote);
    remote.subscription.want(listening);
  };
  const reviewAll = (): void => {
    renewals.length = 0;
    for (const participant of room.remoteParticipants.values()) {
      for (const pub of participant.trackPublications.values()) review(pub, participant);
    }
  };
  const known = (pub: { sid?: string | undefined }): KnownTrack | undefined => tracks.get(pub.sid ?? "");
  const setMuted = (pub: { sid?: string | undefined }, muted: boolean): void => {
    const remote = known(pub);
    if (remote !== undefined) remote.muted = muted;
  };
  const watch = (): void => {
    room
      .on(RoomEvent.TrackPublished, review)
      .on(RoomEvent.TrackUnpublished, (pub) => forget(known(pub)))
      .on(RoomEvent.TrackSubscribed, (remoteTrack, pub, participant) => {
        const remote = known(pub);
        if (remote !== undefined) remote.track = remoteTrack;
        remote?.subscription.arrived();
        review(pub, participant);
        if (remote !== undefined) renewed(remote);
      })
      .on(RoomEvent.TrackUnsubscribed, (_track, pub, participant) => {
        const remote = known(pub);
        if (remote === undefined) return;
        stopFrames(remote);
        delete remote.track;
        review(pub, participant);
      })
      .on(RoomEvent.TrackMuted, (pub) => setMuted(pub, true))
      .on(RoomEvent.TrackUnmuted, (pub) => setMuted(pub, false))
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
      if (renewals.length > 0) return;
      renewals.push(...tracks.keys());
      renewFirst();
    },
    list: () => [...tracks.values()],
    clear() {
      renewals.length = 0;
      for (const remote of tracks.values()) release(remote);
      tracks.clear();
    },
  };
};
