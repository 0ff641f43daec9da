import type { CallId, RoomId, UserId } from "../ids.ts";
import type { Outcome } from "./outcome.ts";
import type { CallDirection } from "./ports.ts";

/** Words for people in a room; the adapter writes the sentence. */
export type Notice =
  | { readonly kind: "phone-leaves-encryption" }
  /** This member and the phones do not hear each other: it uses another homeserver's SFU. */
  | { readonly kind: "member-on-other-sfu"; readonly user: UserId }
  | { readonly kind: "call-failed"; readonly phone: PhoneInNotice; readonly outcome: Outcome; readonly detail?: string }
  | { readonly kind: "left-alone"; readonly phone: PhoneInNotice; readonly hangupAfterMs: number }
  /** A phone has called the room and nobody is in the call. */
  | { readonly kind: "caller-waits"; readonly phone: PhoneInNotice };

/** A phone as people in the room may know it: masked where its number is. */
export type PhoneInNotice = { readonly name: string; readonly direction: CallDirection };

export interface NoticePort {
  /**
   * Sent by the bot where it is in the room, else by the ghost of the call. Never rejects: a lost notice is logged.
   * `call-failed` comes right before `RtcPort.leave` of the same call: a ghost that writes it does so before it leaves the room.
   */
  notify(target: { readonly roomId: RoomId; readonly callId: CallId }, notice: Notice): Promise<void>;
}
