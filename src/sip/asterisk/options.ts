import { GatewayError } from "../../errors.ts";
import type { TrunkId } from "../../ids.ts";

/** What passes over the media WebSocket. `alaw` and `ulaw` cost nothing when the PBX speaks the same; `slin16` is 16 kHz PCM and always transcoded. */
export type AsteriskCodec = "alaw" | "ulaw" | "slin16";

export interface AsteriskTrunk {
  /** Name of the PJSIP endpoint in Asterisk that leads to the PBX. */
  readonly endpoint: string;
  /** Default `alaw`. */
  readonly codec?: AsteriskCodec;
}

export interface AsteriskEngineOptions {
  /** Address of ARI, for example `http://127.0.0.1:8088/ari`. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Name of the Stasis application; each gateway needs its own. Also the first part of every channel and bridge id. */
  readonly app: string;
  /** Allows http (credentials and audio in clear) to another machine. */
  readonly allowInsecure: boolean;
  readonly trunks: ReadonlyMap<TrunkId, AsteriskTrunk>;
  /** How long audio of a caller waits for a media worker before it is made ready anew; default: 20 s, Asterisk itself waits for 30 s. */
  readonly unusedMediaLimitMs?: number;
}

/** Addresses derived from the one of ARI, none of which holds the password. */
export interface AsteriskAddresses {
  /** Without trailing slash. */
  readonly rest: string;
  readonly events: string;
  /** Prefix of the media WebSocket addresses; ends in a slash. */
  readonly media: string;
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);

/** Throws CONFIG_INVALID for what cannot work, and for credentials and audio in clear over a network. */
export const asteriskAddresses = (
  options: Pick<AsteriskEngineOptions, "url" | "app" | "allowInsecure">,
): AsteriskAddresses => {
  const url = URL.parse(options.url);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new GatewayError("CONFIG_INVALID", "The address of ARI must look like http://127.0.0.1:8088/ari");
  }
  if (url.username !== "" || url.password !== "") {
    throw new GatewayError(
      "CONFIG_INVALID",
      "The address of ARI must not hold name or password: they have their own keys",
    );
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !options.allowInsecure) {
    throw new GatewayError(
      "CONFIG_INVALID",
      `ARI at ${url.host} would send password and audio in clear: use https, an Asterisk on this machine, or allow_insecure`,
    );
  }
  // It becomes part of channel ids and of a query string.
  if (!/^[A-Za-z0-9_-]{1,40}$/.test(options.app)) {
    throw new GatewayError(
      "CONFIG_INVALID",
      "The name of the ARI application may hold letters, digits, - and _ (at most 40)",
    );
  }
  const path = url.pathname.replace(/\/+$/, "");
  const webSocketOrigin = `${url.protocol === "https:" ? "wss" : "ws"}://${url.host}`;
  return {
    rest: `${url.origin}${path}`,
    events: `${webSocketOrigin}${path}/events?app=${options.app}&subscribeAll=false`,
    // chan_websocket sits beside ARI, behind the same `prefix` of http.conf.
    media: `${webSocketOrigin}${path.replace(/\/ari$/, "")}/media/`,
  };
};

/** Value of the Authorization header; ARI takes it for REST and for the events WebSocket (22.10), so no address holds the password. */
export const basicAuthorization = (options: Pick<AsteriskEngineOptions, "username" | "password">): string =>
  `Basic ${Buffer.from(`${options.username}:${options.password}`).toString("base64")}`;
