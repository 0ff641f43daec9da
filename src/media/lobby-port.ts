import type { LegMedia } from "../calls/ports.ts";
import type { CallId } from "../ids.ts";
import type { Recording } from "./spoken-prompts.ts";

export type LobbyFact =
  /** All that was to be said under this token has been heard, as far as this end can tell. */
  | { readonly type: "lobby.said"; readonly token: number }
  /** The phone's audio is gone, while its leg may still live. Nothing follows. */
  | { readonly type: "lobby.lost"; readonly message: string };

/** Answered phones that are in no conference yet. For the menu. */
export interface LobbyPort {
  /** Connects the leg's audio; the phone hears silence. Rejects with MEDIA_FAILED, also when `leave` came first. */
  enter(call: CallId, media: LegMedia, onFact: (fact: LobbyFact) => void): Promise<void>;
  /**
   * One after the other, in place of what is being said; nothing: silence, or music until something else is said. Rejects with MEDIA_FAILED
   * when the phone is gone.
   */
  say(call: CallId, recordings: readonly Recording[], token: number, followedBy?: "music"): Promise<void>;
  /** Closes the audio: the conference then needs new access to the leg (`SipPort.renewMedia`). Never rejects; for unknown calls too. */
  leave(call: CallId): Promise<void>;
}
