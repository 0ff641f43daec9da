import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { LegFact, LegMedia } from "../../calls/ports.ts";
import type { Log } from "../../log.ts";
import { type AriChannelEvent, channelOf } from "./ari-events.ts";
import type { AriSnapshot } from "./leg.ts";
import type { LegResources } from "./leg-resources.ts";

/**
 * Asterisk gives a media channel up when no worker has come within 30 s (fixed in ARI's externalMedia, 22.10). In a crowd it can take longer until
 * a ghost is in the SFU. Before that there is a new one; the old one stays for a worker that is on its way.
 */
const UNUSED_LIMIT_MS = 20_000;

export interface LegMediaDeps {
  readonly legId: LegId;
  readonly resources: LegResources;
  readonly log: Log;
  readonly isEnding: () => boolean;
  readonly tell: (fact: LegFact) => void;
  /** How long access to the audio waits for a worker before there is a new one; default: 20 s. */
  readonly unusedLimitMs?: number | undefined;
}

/** The media channels of a leg, whichever side called: each joins the bridge when the media worker is there. */
export const createLegMedia = ({ legId, resources, log, isEnding, tell, ...options }: LegMediaDeps) => {
  const unusedLimitMs = options.unusedLimitMs ?? UNUSED_LIMIT_MS;
  let unused: NodeJS.Timeout | undefined;
  let isTaken = false;
  /** Of access to the audio: what is renewed meanwhile is not offered any more. */
  let newest = 0;

  const keepFresh = (): void => {
    clearTimeout(unused);
    unused = setTimeout(() => {
      if (isTaken || isEnding()) return;
      offer().catch((error: unknown) => log.warn({ legId, error }, "audio that waits could not be made ready again"));
    }, unusedLimitMs).unref();
  };
  const offer = async (): Promise<void> => {
    const turn = (newest += 1);
    // A call that is forwarded had a worker before.
    isTaken = false;
    const media = await resources.addMedia();
    if (turn !== newest) return;
    tell({ type: "leg.mediaReady", media });
    keepFresh();
  };
  const join = (channel: string): void => {
    isTaken = true;
    if (isEnding()) return;
    resources.joinMedia(channel).catch((error: unknown) => log.warn({ legId, error }, "media could not join the call"));
  };
  return {
    /** Makes access to the leg's audio and tells it, again and again until a worker has come. */
    offer,
    /** Nobody will come for it. */
    withdraw: (): void => {
      newest += 1;
      clearTimeout(unused);
    },
    /** For events of channels that are not the phone's. */
    handle(event: AriChannelEvent): void {
      const { id } = channelOf(event);
      if (event.type === "ChannelDestroyed") resources.forgetMedia(id);
      else if (event.type === "StasisStart" && resources.isMedia(id)) join(id);
    },
    /** After the events were lost for a while. */
    catchUp({ channels, bridges }: AriSnapshot): void {
      const members = new Set(bridges.find(({ id }) => id === resources.bridge)?.channels);
      for (const { id, state } of channels) if (resources.isMedia(id) && state === "Up" && !members.has(id)) join(id);
    },
    renew: async (): Promise<LegMedia> => {
      if (isEnding()) throw new GatewayError("MEDIA_FAILED", "The phone has hung up");
      const turn = (newest += 1);
      const media = await resources.renewMedia();
      isTaken = false;
      if (turn === newest) keepFresh();
      return media;
    },
  };
};
