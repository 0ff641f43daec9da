import { z } from "zod";
import { GatewayError } from "../../errors.ts";
import type { UserId } from "../../ids.ts";
import { MatrixError, matrixPath, type Homeserver } from "../homeserver.ts";

export interface Transports {
  /**
   * `livekit_service_url` that the clients of this homeserver use, byte for byte: members are told apart by string comparison.
   * Rejects with HOMESERVER_UNAVAILABLE, or HOMESERVER_REFUSED when neither the homeserver nor the configuration names one.
   */
  serviceUrl(asUser: UserId): Promise<string>;
}

export interface TransportsDeps {
  readonly homeserver: Homeserver;
  /** Used when the homeserver names no LiveKit transport (MSC4143 endpoint off or empty). */
  readonly fallbackServiceUrl?: string | undefined;
  readonly cacheMs?: number;
}

const CACHE_MS = 5 * 60_000;

const answerSchema = z.object({
  rtc_transports: z.array(z.looseObject({ type: z.string(), livekit_service_url: z.string().optional() })).default([]),
});

/** Transport discovery of MSC4143, remembered for some minutes: it is the same for every ghost. */
export const createTransports = ({
  homeserver,
  fallbackServiceUrl,
  cacheMs = CACHE_MS,
}: TransportsDeps): Transports => {
  let known: { readonly url: string; readonly untilMs: number } | undefined;

  const ask = async (asUser: UserId): Promise<string | undefined> => {
    try {
      const answer = await homeserver.request({
        method: "GET",
        path: matrixPath("client/unstable", "org.matrix.msc4143", "rtc", "transports"),
        as: { userId: asUser },
      });
      const parsed = answerSchema.safeParse(answer);
      if (!parsed.success) return undefined;
      return parsed.data.rtc_transports.find(({ type }) => type === "livekit")?.livekit_service_url;
    } catch (error) {
      if (error instanceof MatrixError && error.status === 404) return undefined;
      throw error;
    }
  };

  return {
    serviceUrl: async (asUser) => {
      if (known !== undefined && known.untilMs > Date.now()) return known.url;
      const url = (await ask(asUser)) ?? fallbackServiceUrl;
      if (url === undefined) {
        throw new GatewayError(
          "HOMESERVER_REFUSED",
          "The homeserver names no LiveKit transport: set matrix_rtc.transports (Synapse) or the gateway's own transport",
        );
      }
      known = { url, untilMs: Date.now() + cacheMs };
      return url;
    },
  };
};
