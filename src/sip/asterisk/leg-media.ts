import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { LegMedia } from "../../calls/ports.ts";
import type { Log } from "../../log.ts";
import { type AriChannelEvent, channelOf } from "./ari-events.ts";
import type { AriSnapshot } from "./leg.ts";
import type { LegResources } from "./leg-resources.ts";

export interface LegMediaDeps {
  readonly legId: LegId;
  readonly resources: LegResources;
  readonly log: Log;
  readonly isEnding: () => boolean;
}

/** The media channels of a leg, whichever side called: each joins the bridge when the media worker is there. */
export const createLegMedia = ({ legId, resources, log, isEnding }: LegMediaDeps) => {
  const join = (channel: string): void => {
    if (isEnding()) return;
    resources.joinMedia(channel).catch((error: unknown) => log.warn({ legId, error }, "media could not join the call"));
  };
  return {
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
      return await resources.renewMedia();
    },
  };
};
