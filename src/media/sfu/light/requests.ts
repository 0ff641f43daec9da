import {
  AddTrackRequest,
  ConnectionSettings,
  DataPacket,
  Encryption_Type,
  JoinRequest,
  MuteTrackRequest,
  ParticipantTracks,
  type SessionDescription,
  SipDTMF,
  TrackSource,
  TrackType,
  UpdateSubscription,
} from "@livekit/protocol";

import { dtmfCode } from "../dtmf.ts";
import { type ClientMessage, clientInfo } from "./signalling.ts";

/** Nothing is heard unless it was asked for: one connection listens for all, and never to video. */
const connectionSettings = (): ConnectionSettings =>
  new ConnectionSettings({ autoSubscribe: false, adaptiveStream: false });

export interface JoinWish {
  readonly cid: string;
  readonly offer: SessionDescription;
  readonly muted: boolean;
  readonly encrypted: boolean;
}

/** Joins and publishes in one round trip. */
export const joinRequest = ({ cid, offer, muted, encrypted }: JoinWish): JoinRequest =>
  new JoinRequest({
    clientInfo: clientInfo(),
    connectionSettings: connectionSettings(),
    addTrackRequests: [
      new AddTrackRequest({
        cid,
        name: "phone",
        type: TrackType.AUDIO,
        source: TrackSource.MICROPHONE,
        muted,
        disableDtx: true,
        disableRed: true,
        encryption: encrypted ? Encryption_Type.GCM : Encryption_Type.NONE,
      }),
    ],
    publisherOffer: offer,
  });

export const resumeRequest = (participantSid: string): JoinRequest =>
  new JoinRequest({
    clientInfo: clientInfo(),
    connectionSettings: connectionSettings(),
    reconnect: true,
    participantSid,
  });

export const subscriptionMessage = (trackSid: string, participantSid: string, subscribe: boolean): ClientMessage => ({
  case: "subscription",
  value: new UpdateSubscription({
    trackSids: [trackSid],
    subscribe,
    participantTracks: [new ParticipantTracks({ participantSid, trackSids: [trackSid] })],
  }),
});

export const muteMessage = (sid: string, muted: boolean): ClientMessage => ({
  case: "mute",
  value: new MuteTrackRequest({ sid, muted }),
});

/** Goes over a data channel, not over the signalling. */
export const keyPacket = (identity: string, key: string): Uint8Array =>
  new DataPacket({
    destinationIdentities: [identity],
    value: { case: "sipDtmf", value: new SipDTMF({ code: dtmfCode(key), digit: key }) },
  }).toBinary();
