import { MatrixClient, MemoryStore } from "matrix-js-sdk";
import type { DeviceId, UserId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Homeserver } from "./homeserver.ts";
import { createSdkLogger, silenceSdkGlobalLogger } from "./sdk-log.ts";

export interface MasqueradingClientOptions {
  readonly userId: UserId;
  /** Must exist on the homeserver (`ensureDevice`), else every request is refused with M_UNKNOWN_DEVICE (MSC4326). */
  readonly deviceId: DeviceId;
  readonly log: Log;
  /** Sees every request of this client (the ghosts' sessions sign their device keys on the way out). */
  readonly fetchFn?: typeof globalThis.fetch;
}

/** Longest wait for one answer; the SDK adds its own, longer one for /sync. */
const REQUEST_TIMEOUT_MS = 20_000;

/**
 * A js-sdk client that acts as one of our users on one of its devices: every request carries the `as_token`, `user_id` and `device_id`.
 *
 * It has no MatrixScheduler (which `createClient` would add): the scheduler drops the sticky duration of events with relations and keeps
 * retrying on its own, so a message is sent once, at once, and its failure is ours to judge.
 */
export const createMasqueradingClient = (homeserver: Homeserver, options: MasqueradingClientOptions): MatrixClient => {
  silenceSdkGlobalLogger();
  return new MatrixClient({
    baseUrl: homeserver.url,
    accessToken: homeserver.asToken,
    userId: options.userId,
    deviceId: options.deviceId,
    queryParams: { user_id: options.userId, device_id: options.deviceId },
    store: new MemoryStore(),
    localTimeoutMs: REQUEST_TIMEOUT_MS,
    disableVoip: true,
    ...(options.fetchFn === undefined ? {} : { fetchFn: options.fetchFn }),
    logger: createSdkLogger(options.log, homeserver.asToken),
  });
};
