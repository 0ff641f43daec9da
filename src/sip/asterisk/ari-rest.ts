import { z } from "zod";

import { createHttpClient } from "./ari-http.ts";
import type { AsteriskCodec } from "./options.ts";

const channelSchema = z.object({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  /** What it is doing. */
  dialplan: z.object({ app_name: z.string().optional(), app_data: z.string().optional() }).optional(),
});
const bridgeSchema = z.object({ id: z.string(), channels: z.array(z.string()) });
const externalMediaSchema = z.object({
  id: z.string(),
  channelvars: z.object({ MEDIA_WEBSOCKET_CONNECTION_ID: z.string().optional() }).optional(),
});
const variableSchema = z.object({ value: z.string().min(1) });
const messageSchema = z.object({ message: z.string().optional(), error: z.string().optional() });

export type AriChannel = z.infer<typeof channelSchema>;
export type AriBridge = z.infer<typeof bridgeSchema>;

/** A request that Asterisk refused (`status`) or that did not get through (no status). */
export class AriError extends Error {
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "AriError";
    this.status = status;
  }
}

export interface CreateChannel {
  readonly id: string;
  readonly app: string;
  /** `PJSIP/<user>@<endpoint>`. */
  readonly endpoint: string;
  /** Order of preference in the SDP offer; the endpoint's own codecs stay in it behind these. */
  readonly formats: string;
  /** Channel variables and functions. */
  readonly variables: Readonly<Record<string, string>>;
}

const reasonOf = (body: string): string => {
  try {
    const { message, error } = messageSchema.parse(JSON.parse(body));
    return message ?? error ?? "no reason given";
  } catch {
    return "no reason given";
  }
};

/** ARI's REST calls that the engine needs. Every one rejects with AriError; parameters go in bodies, so that no address holds a number. */
export const createAriRest = (baseUrl: string, authorization: string) => {
  const send = createHttpClient(baseUrl, authorization);

  const request = async (method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<unknown> => {
    const what = `${method} ${path}`;
    const answer = await send(method, path, body).catch((error: unknown) => {
      throw new AriError(`ARI did not answer ${what}`, undefined, error);
    });
    if (answer.status >= 300)
      throw new AriError(`ARI refused ${what}: ${answer.status} ${reasonOf(answer.body)}`, answer.status);
    try {
      return answer.body === "" ? undefined : JSON.parse(answer.body);
    } catch (error) {
      throw new AriError(`ARI answered ${what} with something that is not JSON`, answer.status, error);
    }
  };

  const read = async <T>(schema: z.ZodType<T>, answer: Promise<unknown>, what: string): Promise<T> => {
    const parsed = schema.safeParse(await answer);
    if (!parsed.success) throw new AriError(`ARI's answer about ${what} is not what Asterisk sends`);
    return parsed.data;
  };

  /** False when what the path names is not there (any more). */
  const requestIfThere = async (method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<boolean> => {
    try {
      await request(method, path, body);
      return true;
    } catch (error) {
      if (error instanceof AriError && error.status === 404) return false;
      throw error;
    }
  };

  const id = encodeURIComponent;

  const readVariable = async (channel: string, name: string): Promise<string> => {
    const answer = request("GET", `/channels/${id(channel)}/variable?variable=${id(name)}`);
    return (await read(variableSchema, answer, name)).value;
  };

  return {
    get: (path: string): Promise<unknown> => request("GET", path),

    /** Whether Asterisk knows the application. */
    isRegistered: (app: string): Promise<boolean> => requestIfThere("GET", `/applications/${id(app)}`),

    /** The channel is in the application and not dialled yet. */
    createChannel: async ({ id: channelId, ...rest }: CreateChannel): Promise<void> => {
      await request("POST", "/channels/create", { channelId, ...rest });
    },

    /** Sends the INVITE. Asterisk itself hangs up after `timeoutSeconds` without an answer. */
    dial: async (channel: string, timeoutSeconds: number): Promise<void> => {
      await request("POST", `/channels/${id(channel)}/dial`, { timeout: timeoutSeconds });
    },

    /** 180. */
    ring: async (channel: string): Promise<void> => {
      await request("POST", `/channels/${id(channel)}/ring`);
    },

    /** RFC 4733 or as the endpoint wants it, one key after the other. */
    press: async (channel: string, keys: string): Promise<void> => {
      await request("POST", `/channels/${id(channel)}/dtmf`, { dtmf: keys });
    },

    /** 200. */
    answer: async (channel: string): Promise<void> => {
      await request("POST", `/channels/${id(channel)}/answer`);
    },

    /** A variable or function. */
    setVariable: async (channel: string, variable: string, value: string): Promise<void> => {
      await request("POST", `/channels/${id(channel)}/variable`, { variable, value });
    },

    /** Gives the channel back to the dialplan. False, and harmless, when it is gone. */
    continueInDialplan: (channel: string, context: string, extension: string): Promise<boolean> =>
      requestIfThere("POST", `/channels/${id(channel)}/continue`, { context, extension, priority: 1 }),

    /**
     * Makes a channel that waits (30 s, 22.10) for a media WebSocket and enters the application when it is there.
     * Gives the connection id, the last part of the WebSocket's address.
     */
    createExternalMedia: async (channel: string, app: string, format: AsteriskCodec): Promise<string> => {
      const media = await read(
        externalMediaSchema,
        request("POST", "/channels/externalMedia", {
          channelId: channel,
          app,
          external_host: "INCOMING",
          transport: "websocket",
          encapsulation: "none",
          connection_type: "server",
          format,
        }),
        "external media",
      );
      const connectionId = media.channelvars?.MEDIA_WEBSOCKET_CONNECTION_ID;
      if (connectionId !== undefined && connectionId !== "") return connectionId;
      return await readVariable(channel, "MEDIA_WEBSOCKET_CONNECTION_ID");
    },

    /** A channel variable, or what a dialplan function gives: "CHANNEL(audionativeformat)". */
    readVariable,

    /** Harmless when it is there already. */
    createBridge: async (bridge: string): Promise<void> => {
      try {
        await request("POST", `/bridges/${id(bridge)}`, { type: "mixing" });
      } catch (error) {
        if (!(error instanceof AriError && error.status === 409)) throw error;
      }
    },

    addToBridge: async (bridge: string, channel: string): Promise<void> => {
      await request("POST", `/bridges/${id(bridge)}/addChannel`, { channel });
    },

    /** BYE or CANCEL. False, and harmless, for a channel that is gone. */
    hangup: (channel: string, q850: number): Promise<boolean> =>
      requestIfThere("DELETE", `/channels/${id(channel)}?reason_code=${q850}`),

    removeBridge: (bridge: string): Promise<boolean> => requestIfThere("DELETE", `/bridges/${id(bridge)}`),

    listChannels: (): Promise<AriChannel[]> => read(z.array(channelSchema), request("GET", "/channels"), "channels"),
    listBridges: (): Promise<AriBridge[]> => read(z.array(bridgeSchema), request("GET", "/bridges"), "bridges"),
  };
};

export type AriRest = ReturnType<typeof createAriRest>;
