// What the host page and the Node side (member.ts, host.ts) say to each other. No DOM and no Node types here: both
// compilations include this file.

/** Intents of Element Call (its `UserIntent`), the voice ones: the lab has no cameras. */
export type CallIntent = "join_existing_voice" | "start_call_voice" | "join_existing_dm_voice" | "start_call_dm_voice";

/** Everything the page needs. It travels in the URL fragment, which a browser never sends to a server. */
export interface PageSession {
  readonly homeserver: string;
  /** Localpart or full user id. The page makes a new device: its crypto store lives in memory only. */
  readonly user: string;
  readonly password: string;
  readonly room: string;
  readonly intent: CallIntent;
  /** `automated`: wait for `labHost.join()` and silence what needs no eyes; `person`: join at once, use real devices. */
  readonly driver: "automated" | "person";
}

/** A decrypted timeline message (`m.room.message`), also those sent by this user. */
export interface RoomMessage {
  readonly eventId: string;
  readonly sender: string;
  readonly msgtype: string;
  readonly body: string;
  /** It was an `m.room.encrypted` event on the server. */
  readonly encrypted: boolean;
  readonly atMs: number;
}

/** Facts that the page tells Node as they happen, through the binding `labEvent`. */
export type PageEvent =
  | { readonly kind: "join" | "hangup" | "closed" }
  | { readonly kind: "message"; readonly message: RoomMessage }
  /** This device's own membership of the call came back from the server. */
  | { readonly kind: "membership"; readonly present: boolean }
  /** The host would ring, or stop. */
  | { readonly kind: "ringing"; readonly present: boolean }
  | { readonly kind: "key"; readonly sender: string; readonly encrypted: boolean };

/** `window.labHost` of the host page. */
export interface LabHostApi {
  /** Resolves when the device is known to the server, the room is synced and the devices of its members are known. */
  readonly ready: Promise<{ readonly userId: string; readonly deviceId: string }>;
  /** Shows Element Call. Resolves when the widget has its capabilities. */
  join(): Promise<void>;
  /** Tells Element Call to hang up; resolves when it has acknowledged. */
  hangUp(): Promise<void>;
  setMicrophoneMuted(muted: boolean): Promise<void>;
  /** A text message, encrypted when the room is; resolves with the event id. */
  sendMessage(body: string): Promise<string>;
  invite(userId: string): Promise<void>;
  /** Ends the sync and deletes the device. */
  logOut(): Promise<void>;
}

/** `window.labMicrophone` of Element Call's frame. */
export interface LabMicrophoneApi {
  /** 0 is silence. */
  setTone(frequencyHz: number): void;
}

/** Rate at which the page delivers what it hears, mono 16 bit. */
export const CAPTURE_RATE_HZ = 16_000;
/** One block of captured audio: 40 ms. */
export const CAPTURE_BLOCK_SAMPLES = 640;

/** Text frame on the capture socket: from now on, blocks with this `index` belong to this media track. */
export interface CaptureTrack {
  readonly index: number;
  readonly trackId: string;
}

/** Binary frame on the capture socket: u32 track index, f64 arrival time (epoch ms), then Int16 samples, little endian. */
export const CAPTURE_HEADER_BYTES = 12;
