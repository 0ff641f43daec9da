import { z } from "zod";
import { toGatewayError } from "../errors.ts";
import { deviceId, roomId, type UserId } from "../ids.ts";
import { type Homeserver, MatrixError, matrixPath } from "./homeserver.ts";
import { DELAYED_LEAVE_MS } from "./rtc/ghost-session.ts";
import { requestSfuToken } from "./rtc/sfu-token.ts";
import type { Transports } from "./rtc/transports.ts";

/** One line of the start-up checks. `fix` says what to do when `ok` is false. */
export interface MatrixCheck {
  readonly ok: boolean;
  readonly text: string;
  readonly fix?: string;
}

export interface MatrixHealthDeps {
  readonly homeserver: Homeserver;
  readonly transports: Transports;
  readonly botUserId: UserId;
  /** `id` of the registration. */
  readonly registrationId: string;
}

export interface MatrixHealth {
  /** Versions of the homeserver, and whether it knows our `as_token`. */
  homeserver(): Promise<MatrixCheck>;
  /** Whether the homeserver reaches our listener (appservice ping, specification 1.7). */
  ping(): Promise<MatrixCheck>;
  /** MSC4140. Without it a phone whose gateway died stays in the call until its membership expires. */
  delayedEvents(): Promise<MatrixCheck>;
  /** Transport discovery, token service and SFU, in the order a ghost needs them. */
  transport(): Promise<MatrixCheck>;
}

const versionsSchema = z.object({
  versions: z.array(z.string()),
  unstable_features: z.record(z.string(), z.boolean()).default({}),
});
const capabilitiesSchema = z.object({
  capabilities: z.object({
    "org.matrix.msc4140.delayed_events": z.object({ max_delay_ms: z.number().optional() }).optional(),
  }),
});
const pingSchema = z.object({ duration_ms: z.number() });

const REQUEST_TIMEOUT_MS = 5000;

/** A LiveKit server answers plain HTTP on the address of its WebSocket. */
const checkSfu = async (sfuUrl: string): Promise<MatrixCheck> => {
  const url = sfuUrl.replace(/^ws/, "http");
  const fix = "is livekit-server running, and is LIVEKIT_URL of the token service reachable from here?";
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    return status < 500
      ? { ok: true, text: `SFU ${sfuUrl} answers` }
      : { ok: false, text: `SFU ${sfuUrl}: ${status}`, fix };
  } catch {
    return { ok: false, text: `SFU ${sfuUrl} does not answer`, fix };
  }
};

export const createMatrixHealth = (deps: MatrixHealthDeps): MatrixHealth => {
  const { homeserver, transports, botUserId, registrationId } = deps;

  const versions = async (): Promise<z.infer<typeof versionsSchema>> =>
    versionsSchema.parse(await homeserver.request({ method: "GET", path: "/_matrix/client/versions" }));

  /** A homeserver that does not say has no limit of its own (the capability is younger than the feature). */
  const longestDelayMs = async (): Promise<number> => {
    const path = matrixPath("client/v3", "capabilities");
    const { capabilities } = capabilitiesSchema.parse(await homeserver.request({ method: "GET", path }));
    return capabilities["org.matrix.msc4140.delayed_events"]?.max_delay_ms ?? Infinity;
  };

  return {
    homeserver: async () => {
      const { versions: supported } = await versions();
      try {
        await homeserver.request({ method: "GET", path: matrixPath("client/v3", "account", "whoami") });
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        const fix = "add the registration file to app_service_config_files of the homeserver and restart it";
        return { ok: false, text: `${homeserver.url} does not know our as_token (${error.errcode})`, fix };
      }
      return { ok: true, text: `${homeserver.url} answers (Matrix ${supported.at(-1) ?? "?"}) and knows us` };
    },

    ping: async () => {
      const fix =
        "the `url` of the registration must be this gateway's appservice listener, as the homeserver reaches it";
      try {
        const path = matrixPath("client/v1", "appservice", registrationId, "ping");
        const answer = await homeserver.request({ method: "POST", path, body: {} });
        return { ok: true, text: `the homeserver reaches us in ${pingSchema.parse(answer).duration_ms} ms` };
      } catch (error) {
        return { ok: false, text: `the homeserver does not reach us: ${toGatewayError(error).message}`, fix };
      }
    },

    delayedEvents: async () => {
      const { unstable_features: features } = await versions();
      const longestMs = features["org.matrix.msc4140"] === true ? await longestDelayMs() : 0;
      if (longestMs >= DELAYED_LEAVE_MS) return { ok: true, text: "delayed events are on (MSC4140)" };
      const found = longestMs === 0 ? "no delayed events (MSC4140)" : `delayed events of ${longestMs} ms at most`;
      return {
        ok: false,
        text: `${found}: after a crash of the gateway a phone stays visible for up to 10 minutes`,
        fix: "set max_event_delay_duration: 24h in homeserver.yaml (deploy/synapse/homeserver-matrixrtc.yaml)",
      };
    },

    transport: async () => {
      const fix =
        "set matrix_rtc.transports in homeserver.yaml, or rtc.transport_url here, to the address of lk-jwt-service";
      let serviceUrl: string;
      try {
        serviceUrl = await transports.serviceUrl(botUserId);
      } catch (error) {
        return { ok: false, text: toGatewayError(error).message, fix };
      }
      try {
        const { sfuUrl } = await requestSfuToken(homeserver, {
          serviceUrl,
          // A room that nobody is in: the answer is what counts.
          roomId: roomId(`!start-up-check:${botUserId.slice(botUserId.indexOf(":") + 1)}`),
          userId: botUserId,
          deviceId: deviceId("CHECK"),
        });
        const sfu = await checkSfu(sfuUrl);
        return { ...sfu, text: `token service ${serviceUrl} answers; ${sfu.text}` };
      } catch (error) {
        return {
          ok: false,
          text: toGatewayError(error).message,
          fix: "see the log of the token service (lk-jwt-service)",
        };
      }
    },
  };
};
