import { randomBytes } from "node:crypto";
import { stringify } from "yaml";
import { GHOST_PREFIX } from "../../numbering/ghost-id.ts";
import { PSTN_PROTOCOL } from "./third-party.ts";
import { localpartOf, type Namespace } from "./namespace.ts";

export interface RegistrationOptions {
  readonly namespace: Namespace;
  /** Where the homeserver reaches the gateway, for example `http://127.0.0.1:9320`. */
  readonly url: string;
  /** Made at random where absent. */
  readonly asToken?: string;
  readonly hsToken?: string;
}

/** The application service as the homeserver reads it (specification, Application Service API; MSC4190). */
export interface Registration {
  readonly id: "matrixrtc-sip-gateway";
  readonly url: string;
  readonly as_token: string;
  readonly hs_token: string;
  readonly sender_localpart: string;
  readonly rate_limited: false;
  readonly namespaces: {
    readonly users: readonly { readonly exclusive: true; readonly regex: string }[];
    readonly aliases: readonly [];
    readonly rooms: readonly [];
  };
  readonly protocols: readonly [typeof PSTN_PROTOCOL];
  readonly "io.element.msc4190": true;
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const newToken = (): string => randomBytes(32).toString("hex");

/**
 * Neither `receive_ephemeral` nor MSC3202: to-device messages would come twice, in transactions and in each device's own /sync.
 */
export const createRegistration = ({ namespace, url, asToken, hsToken }: RegistrationOptions): Registration => {
  const server = escapeRegExp(namespace.serverName);
  const bot = escapeRegExp(localpartOf(namespace.botUserId));
  return {
    id: "matrixrtc-sip-gateway",
    url,
    as_token: asToken ?? newToken(),
    hs_token: hsToken ?? newToken(),
    // Synapse refuses /sync for this user, so it is nobody: the bot is in the namespace (homeserver.md 2.2).
    sender_localpart: `sip-gateway-${randomBytes(8).toString("hex")}`,
    rate_limited: false,
    namespaces: {
      users: [
        { exclusive: true, regex: `@${GHOST_PREFIX}.*:${server}` },
        { exclusive: true, regex: `@${bot}:${server}` },
      ],
      aliases: [],
      rooms: [],
    },
    protocols: [PSTN_PROTOCOL],
    "io.element.msc4190": true,
  };
};

const HEADER = `# Registration of matrixrtc-sip-gateway. Add this file to app_service_config_files of Synapse and restart it.
# as_token and hs_token are passwords: the same ones belong into the gateway's configuration.
`;

export const registrationYaml = (registration: Registration): string => HEADER + stringify(registration);
