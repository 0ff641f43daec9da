import { z } from "zod";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../errors.ts";
import { callListSchema, callSchema } from "../http/call-schema.ts";
import {
  CONFIG_OPTION,
  configFileOf,
  type Input,
  type Io,
  type OptionConfig,
  stringOption,
  UsageError,
} from "./command.ts";

const REQUEST_TIMEOUT_MS = 30_000;
const TOKEN_VARIABLE = "MRTC_SIP_GATEWAY_API_TOKEN";

export const API_OPTIONS = {
  ...CONFIG_OPTION,
  url: { type: "string", value: "URL", help: "address of the API (default: api.listen of the configuration)" },
  token: { type: "string", value: "NAME", help: "name of the token of api.tokens to use (default: the first one)" },
  json: { type: "boolean", help: "print the API's answer" },
} as const satisfies Record<string, OptionConfig>;

export const API_DETAILS = `With --url and the token in ${TOKEN_VARIABLE} no configuration is needed.`;

interface Access {
  readonly url: string;
  readonly token: string;
}

const urlOf = ({ api }: Config): string => {
  const { host, port } = api.listen;
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (host === "::") return `http://[::1]:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
};

const tokenOf = ({ api }: Config, name: string | undefined): string => {
  const found = name === undefined ? api.tokens[0] : api.tokens.find((token) => token.name === name);
  if (found !== undefined) return found.token;
  const words =
    name === undefined ? "api.tokens is empty: the API lets nobody in" : `there is no token ${name} in api.tokens`;
  throw new GatewayError("CONFIG_INVALID", words);
};

/** Where the API is and how to get in; the configuration is only read for what was not given. */
const accessOf = (input: Input, io: Io): Access => {
  const url = stringOption(input, "url");
  const name = stringOption(input, "token");
  const given = io.environment[TOKEN_VARIABLE];
  const token = given === undefined || given === "" || name !== undefined ? undefined : given;
  if (url !== undefined && !URL.canParse(url)) throw new UsageError(`--url ${url} is no address`);
  if (url !== undefined && token !== undefined) return { url, token };
  const config = loadConfig({ file: configFileOf(input), environment: io.environment });
  return { url: url ?? urlOf(config), token: token ?? tokenOf(config, name) };
};

export type CallBody = z.output<typeof callSchema>;

export interface ApiClient {
  add(roomId: string, number: string): Promise<CallBody>;
  list(roomId: string | undefined): Promise<readonly CallBody[]>;
  /** All calls that fit the query, newest first, page by page. */
  pages(query: Readonly<Record<string, string>>): AsyncGenerator<readonly CallBody[]>;
  hangup(callId: string): Promise<CallBody>;
}

const failure = z.object({ errcode: z.string(), error: z.string() });

export const createApiClient = (input: Input, io: Io): ApiClient => {
  const { url, token } = accessOf(input, io);

  const request = async <Schema extends z.ZodType>(
    schema: Schema,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<z.output<Schema>> => {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      answer = await response.json();
    } catch (error) {
      throw new GatewayError("INTERNAL", `No gateway answers at ${url}. Is it running, and is the address right?`, {
        cause: error,
      });
    }
    const failed = failure.safeParse(answer);
    if (!response.ok) {
      const words = failed.success
        ? `${failed.data.error} (${failed.data.errcode})`
        : `${url} answered ${response.status}`;
      throw new GatewayError("INTERNAL", words);
    }
    const parsed = schema.safeParse(answer);
    if (!parsed.success) throw new GatewayError("INTERNAL", `${url} answered something else: is it another version?`);
    return parsed.data;
  };

  return {
    add: (roomId, number) => request(callSchema, "POST", "/api/v1/calls", { room_id: roomId, number }),
    list: async (roomId) => {
      const query = roomId === undefined ? "" : `?room_id=${encodeURIComponent(roomId)}`;
      return (await request(callListSchema, "GET", `/api/v1/calls${query}`)).calls;
    },
    pages: async function* (query) {
      let after: string | undefined;
      do {
        const parameters = new URLSearchParams({ ...query, limit: "500", ...(after === undefined ? {} : { after }) });
        const page = await request(callListSchema, "GET", `/api/v1/calls?${parameters.toString()}`);
        yield page.calls;
        after = page.next ?? undefined;
      } while (after !== undefined);
    },
    hangup: (callId) => request(callSchema, "DELETE", `/api/v1/calls/${encodeURIComponent(callId)}`),
  };
};
