/** What the speech bench and its peers (peer.ts) tell each other. */
import type { SfuAddress } from "../../../src/media/sfu/port.ts";

/** `light` is the gateway's way, with the gateway's own jitter buffer and mixer; `native` is libwebrtc, as in Element Call. */
export type PeerKind = "light" | "native";

export interface PeerOptions {
  readonly kind: PeerKind;
  readonly address: SfuAddress;
  /** Of its track. */
  readonly publishes: "alaw" | "opus";
  /** Media keys by identity, index 0, base64. */
  readonly keys: Readonly<Record<string, string>>;
  /** 8 kHz, 16 bits, without a header: said once, from the beginning, when told so. */
  readonly says?: string;
  /** Whom it hears; with `file` for what is heard, as above, written when told so. */
  readonly hears?: { readonly identity: string; readonly file: string };
}

export type ToPeer = { type: "open"; options: PeerOptions } | { type: "say" } | { type: "save" };
export type FromPeer = { type: "started" | "opened" | "hears" | "said" | "saved" };
