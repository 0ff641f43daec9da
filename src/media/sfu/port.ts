/**
 * A connection to an SFU as one participant: it publishes one microphone track and, when asked, listens to the others. It speaks
 * encoded frames or samples, whichever the implementation has; nothing outside `media/` knows which one runs.
 */
import type { MediaKey } from "../../calls/ports.ts";
import type { Frame, SampleRateHz } from "../frame.ts";

export interface SfuAddress {
  readonly sfuUrl: string;
  /** Never logged. */
  readonly token: string;
  readonly identity: string;
  /** True: frames are encrypted with the media keys both ways, and a track in clear is not listened to. */
  readonly encrypted: boolean;
}

/** A remote audio track. One object for as long as it exists, so that it can key a map. */
export interface RemoteTrack {
  readonly trackId: string;
  readonly identity: string;
  readonly muted: boolean;
  /** True while its frames arrive but cannot be decrypted. */
  readonly undecryptable: boolean;
}

export interface SfuEvents {
  /**
   * `interrupted`: the connection is being restored, nothing passes; `connected`: again; `closed`: gone for good, nothing follows.
   * Not reported for `close()`.
   */
  onState(state: "connected" | "interrupted" | "closed", message: string): void;
  /** A frame of a track that is listened to; the frame is valid during the call only. */
  onFrame(track: RemoteTrack, frame: Frame): void;
  /** A track that was listened to is gone. */
  onTrackEnded(track: RemoteTrack): void;
  /** Somebody pressed a key (LiveKit's SipDTMF). Where this is left out, nothing but audio is received. */
  onKey?(identity: string, digit: string): void;
}

export interface SfuClientOptions {
  readonly address: SfuAddress;
  /**
   * What the track we publish is encoded in, for implementations that pass frames on: frames of this codec go out unchanged, others
   * are converted (an SFU lets a track have one codec). Default: `alaw`, which most phones have.
   */
  readonly publishes?: "alaw" | "ulaw" | "opus";
  /** Says which participants' audio is listened to; asked again at every change. */
  readonly wants: (identity: string) => boolean;
  readonly events: SfuEvents;
}

export interface SfuClient {
  /** Joins and publishes. Rejects with GatewayError SFU_REFUSED (token, address) or MEDIA_FAILED. */
  connect(): Promise<void>;
  /** Sends 20 ms. Lost while not connected, and in an encrypted room without an own key. */
  send(frame: Frame): void;
  /**
   * Moves the track's clock on by frames that are lost for good (we were stopped), so that for the receivers the next frame is on
   * time after a loss; without it every later frame would be late, or come in a burst.
   */
  skip(frames: number): void;
  /** After we were stopped: throws away what the jitter buffers of the tracks listened to have piled up. */
  flush(): void;
  /** Shows the track as muted to everybody and stops its audio. */
  setMuted(muted: boolean): void;
  /** Key of a remote member, or our own (its identity is ours): that one is used for sending from now on. Kept until connected. */
  setKey(key: MediaKey): void;
  /**
   * Starts or stops listening to every wanted audio track. `sampleRateHz` is the rate for implementations that deliver samples.
   * Calling it again with another rate switches.
   */
  listen(sampleRateHz: SampleRateHz | undefined): void;
  /** Asks `wants` again about everybody. */
  review(): void;
  /**
   * Presses a key towards a participant (LiveKit's SipDTMF), after those that were pressed before. Rejects with MEDIA_FAILED while not
   * connected, and for clients that were made without `onKey`: they have no data channels.
   */
  press(identity: string, key: string): Promise<void>;
  /** Every audio track of the conference that is wanted, listened to or not. */
  remoteTracks(): readonly RemoteTrack[];
  /** Leaves; resolves when the server knows. */
  close(): Promise<void>;
}

export type CreateSfuClient = (options: SfuClientOptions) => SfuClient;
