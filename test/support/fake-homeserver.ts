import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createRecorder } from "./recorder.ts";

export interface SeenRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** Parsed JSON; the text where it is none. */
  readonly body: unknown;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly body: unknown;
}

/** A homeserver on loopback that answers as a test says and remembers what it was asked. */
export interface FakeHomeserver extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** `METHOD path` of all requests so far. */
  asked(): readonly string[];
  /** Resolves when this was asked, `METHOD path`, now or before. */
  next(asked: string): Promise<SeenRequest>;
  /** Later answers win over earlier ones. What has no answer gets 200 and `{}`. */
  answer(method: string, path: RegExp, answer: FakeAnswer | ((request: SeenRequest) => FakeAnswer)): void;
}

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
};

const lineOf = ({ method, path }: SeenRequest): string => `${method} ${path}`;

export const startFakeHomeserver = async (): Promise<FakeHomeserver> => {
  const seen = createRecorder<SeenRequest>();
  const answers: { method: string; path: RegExp; answer: FakeAnswer | ((request: SeenRequest) => FakeAnswer) }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const url = new URL(request.url ?? "/", "http://fake");
      const one: SeenRequest = {
        method: request.method ?? "",
        path: decodeURIComponent(url.pathname),
        query: url.searchParams,
        authorization: request.headers.authorization,
        body: parsed(body),
      };
      seen.push(one);
      const rule = answers.findLast(({ method, path }) => method === one.method && path.test(one.path));
      const { status = 200, body: answer } =
        typeof rule?.answer === "function" ? rule.answer(one) : (rule?.answer ?? { body: {} });
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: seen.all,
    asked: () => seen.all.map(lineOf),
    next: (asked) => seen.next(asked, (request) => lineOf(request) === asked),
    answer: (method, path, answer) => void answers.push({ method, path, answer }),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
};
