import { Agent as HttpAgent, type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** The slowest request seen takes 20 ms; a server that does not answer must not hold a call for long. */
const REQUEST_TIMEOUT_MS = 3000;
/**
 * Connections at once. They are kept, because one that is open answers in 1 to 2 ms; not more of them, because Asterisk counts each, idle
 * or not, against the `sessionlimit` (default 100) that media WebSockets share.
 */
const MOST_CONNECTIONS = 8;
/** Less than Asterisk's `session_keep_alive` (default 15 s), so that no request meets a connection that is just being closed. */
const IDLE_MS = 10_000;
const LARGEST_ANSWER_BYTES = 8_388_608;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

const bodyOf = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_ANSWER_BYTES) throw new Error("the answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

/** Sends requests to one server over few, kept connections. Rejects when no whole answer came in time; follows no redirects. */
export const createHttpClient = (baseUrl: string, authorization: string) => {
  const isHttps = baseUrl.startsWith("https:");
  const settings = { keepAlive: true, maxSockets: MOST_CONNECTIONS, timeout: IDLE_MS };
  const agent = isHttps ? new HttpsAgent(settings) : new HttpAgent(settings);
  const send = isHttps ? httpsRequest : httpRequest;

  return (method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const json = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const options: RequestOptions = {
        method,
        agent,
        headers: {
          authorization,
          ...(json === undefined ? {} : { "content-type": "application/json", "content-length": json.length }),
        },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      };
      const request = send(`${baseUrl}${path}`, options, (response) => {
        bodyOf(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
      });
      request.on("error", reject);
      request.end(json);
    });
};
