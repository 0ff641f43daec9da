import { type MediaSectionsRequirement, SessionDescription } from "@livekit/protocol";
import * as z from "zod";

import type { Clock } from "../../../clock.ts";
import { type Peer, SEND_MID } from "./peer.ts";

/** The server answers in milliseconds. */
const ANSWER_TIMEOUT_MS = 5000;
/** More than a conference has members. */
const MAX_RECEIVE_SECTIONS = 1000;

const candidateInit = z.object({ candidate: z.string().min(1), sdpMid: z.string().nullish() });

export interface NegotiationOptions {
  readonly clock: Pick<Clock, "after">;
  readonly peer: Peer;
  readonly sendOffer: (offer: SessionDescription) => void;
  /** Which track comes in which section, by the server's newest answer. */
  readonly onSections: (trackOfMid: Readonly<Record<string, string>>) => void;
  /** No answer, or one that cannot be used: this connection will not get further. */
  readonly onFailed: (message: string) => void;
}

/** Offers and answers of one connection: one offer at a time, a new one whenever the server asks for sections. */
export interface Negotiation {
  /** The offer that goes with the join request. */
  firstOffer(): SessionDescription;
  onAnswer(answer: SessionDescription): void;
  onCandidate(candidateInit: string): void;
  onRequirement(requirement: MediaSectionsRequirement): void;
  /** True between an offer and its answer. */
  isPending(): boolean;
  close(): void;
}

const parseCandidate = (text: string): z.infer<typeof candidateInit> | undefined => {
  try {
    return candidateInit.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

export const createNegotiation = ({ clock, peer, ...options }: NegotiationOptions): Negotiation => {
  /** Candidates from before the first answer, which libdatachannel would refuse. */
  const early: { candidate: string; mid: string }[] = [];
  let offerId = 0;
  let answered = false;
  /** Receive sections that there are, and those that the next offer adds. */
  const sections = { made: 0, wanted: 0 };
  let wantsOffer = false;
  let cancelTimeout: (() => void) | undefined;

  const makeOffer = (): SessionDescription => {
    wantsOffer = false;
    offerId += 1;
    peer.addReceiveSections(sections.wanted);
    sections.made += sections.wanted;
    sections.wanted = 0;
    cancelTimeout = clock.after(ANSWER_TIMEOUT_MS, () => options.onFailed("the SFU did not answer an offer"));
    return new SessionDescription({ type: "offer", sdp: peer.offer(), id: offerId });
  };
  const isPending = (): boolean => cancelTimeout !== undefined;
  const endPending = (): void => {
    cancelTimeout?.();
    cancelTimeout = undefined;
  };
  const offerIfWanted = (): void => {
    if (wantsOffer && !isPending()) options.sendOffer(makeOffer());
  };

  return {
    firstOffer: makeOffer,
    isPending,
    onAnswer({ id, sdp, midToTrackId }) {
      // A second answer to an offer, or one to an older offer, has nothing to say any more.
      if (!isPending() || (id !== 0 && id !== offerId)) return;
      endPending();
      try {
        peer.applyAnswer(sdp);
      } catch {
        options.onFailed("the SFU's answer cannot be used");
        return;
      }
      answered = true;
      for (const { candidate, mid } of early.splice(0)) peer.addCandidate(candidate, mid);
      options.onSections(midToTrackId);
      offerIfWanted();
    },
    onCandidate(text) {
      const parsed = parseCandidate(text);
      if (parsed === undefined) return;
      const { candidate, sdpMid } = parsed;
      const mid = sdpMid ?? SEND_MID;
      if (answered) peer.addCandidate(candidate, mid);
      else early.push({ candidate, mid });
    },
    onRequirement({ numAudios }) {
      // Also without a new section: it asks for an offer in any case.
      sections.wanted = Math.min(sections.wanted + numAudios, MAX_RECEIVE_SECTIONS - sections.made);
      wantsOffer = true;
      offerIfWanted();
    },
    close: endPending,
  };
};
