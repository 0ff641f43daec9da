/** The API on a real socket, in front of a call service that keeps its calls in memory. */
import type { AddPhone, CallRecord, CallService } from "../../src/calls/ports.ts";
import { createDirectory } from "../../src/directory/directory.ts";
import { GatewayError } from "../../src/errors.ts";
import type { WaitingPhone } from "../../src/calls/moderation-ports.ts";
import { callId, type E164, type Extension, ghostUserId, legId, roomId as toRoomId } from "../../src/ids.ts";
import type { Log } from "../../src/log.ts";
import { type ApiAppDeps, createApiApp, type Readiness } from "../../src/http/api-app.ts";
import type { AnsweredRequest } from "../../src/http/base-app.ts";
import { type Listener, startListener } from "../../src/http/listener.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { openStore } from "../../src/store/store.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const DIRECTORY = "1001,Reception\n1002,Bob,@bob:example.org\n01 40 50 60 70,,@bob:example.org";

export const TOKENS = [
  { name: "crm", token: "token-of-the-crm-0123456789" },
  { name: "desk", token: "token-of-the-desk-0123456789" },
];

export const silentLog = (): Log => {
  const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log };
  return log;
};

export interface FakeCalls extends Pick<CallService, "add" | "get" | "list" | "waitingPhones" | "hangup" | "press"> {
  readonly added: AddPhone[];
  /** Thrown by the next `add`. */
  failure: unknown;
  /** `add` waits for it. */
  gate: Promise<void>;
  /** Told of every `add` before it waits. */
  onAdd: () => void;
}

/** Does what the real one does, as far as the API can see it; +33140506070 is the one number there is. */
export const fakeCalls = (): FakeCalls => {
  const records = new Map<string, CallRecord>();
  const service: FakeCalls = {
    added: [],
    failure: undefined,
    gate: Promise.resolve(),
    onAdd: () => {},
    add: async (request) => {
      service.onAdd();
      await service.gate;
      if (service.failure !== undefined) throw service.failure as Error;
      if (request.number !== "+33140506070") throw new GatewayError("INVALID_NUMBER", "This is not a phone number");
      service.added.push(request);
      const record: CallRecord = {
        callId: callId(`call-${service.added.length}`),
        legId: legId(`call-${service.added.length}-1`),
        direction: "outbound",
        roomId: request.roomId,
        ghost: ghostUserId("@tel_+33140506070:example.org"),
        number: { kind: "e164", e164: "+33140506070" as E164, class: "national", country: "FR" },
        subject: request.subject,
        state: "alerting",
        createdAtMs: Date.UTC(2026, 10, 21, 10, 45),
      };
      records.set(record.callId, record);
      return record;
    },
    get: (id) => records.get(id),
    list: ({ roomId, after, limit }) => {
      const newestFirst = [...records.values()]
        .filter((record) => roomId === undefined || record.roomId === roomId)
        .reverse();
      const start = newestFirst.findIndex(({ callId }) => callId === after?.callId) + 1;
      return newestFirst.slice(start, start + limit);
    },
    waitingPhones: (room) => {
      const phone = { ghost: ghostUserId("@tel_1001:example.org"), sinceMs: Date.UTC(2026, 10, 21, 11, 0) };
      const number = { kind: "extension", extension: "1001" as Extension, class: "internal" } as const;
      const roomId = toRoomId("!board:example.org");
      const all: readonly WaitingPhone[] = [
        { ...phone, number, roomId, name: "Front desk", waitsFor: "moderator" },
        { ...phone, number, roomId, callId: callId("call-7"), waitsFor: "company" },
      ];
      return all.filter((one) => room === undefined || room === one.roomId);
    },
    hangup: async ({ callId: id, subject }) => {
      const record = records.get(id);
      if (record === undefined) throw new GatewayError("CALL_NOT_FOUND", "There is no such call");
      if (record.subject.kind !== "token" || subject.kind !== "token" || record.subject.name !== subject.name)
        throw new GatewayError("NOT_YOUR_CALL", "Somebody else added this phone");
      const ended: CallRecord = {
        ...record,
        state: "ended",
        outcome: "cancelled",
        cause: { sipStatus: 487 },
        endedAtMs: record.createdAtMs + 5000,
      };
      records.set(id, ended);
      return ended;
    },
    press: async ({ callId: id, keys }) => {
      if (!records.has(id)) throw new GatewayError("CALL_NOT_FOUND", "There is no such call");
      if (!/^[0-9*#]+$/.test(keys)) throw new GatewayError("BAD_REQUEST", "Keys are digits, * and #");
    },
  };
  return service;
};

export interface RunningApi extends AsyncDisposable {
  readonly listener: Listener;
  readonly calls: FakeCalls;
  readonly requests: AnsweredRequest[];
  readiness: Readiness;
  /** With the first token, unless `headers` say otherwise. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly rawBody?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed; undefined when it is no JSON. */
  readonly body: Record<string, unknown>;
}

const parsed = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
};

export const send = async (url: string, method: string, options: RequestOptions = {}): Promise<Answer> => {
  const payload = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const response = await fetch(url, {
    method,
    headers: { ...(payload === undefined ? {} : { "content-type": "application/json" }), ...options.headers },
    ...(payload === undefined ? {} : { body: payload }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
};

export const startApi = async (more: Partial<ApiAppDeps> = {}): Promise<RunningApi> => {
  const calls = fakeCalls();
  const metrics = createMetrics();
  const store = openStore({ path: ":memory:" });
  const requests: AnsweredRequest[] = [];
  const running: Pick<RunningApi, "readiness"> = { readiness: { ready: true, checks: [] } };
  const app = createApiApp({
    calls,
    tokens: TOKENS,
    directory: createDirectory(DIRECTORY, "directory.csv", PLAN),
    numberPlan: PLAN,
    idempotencyStore: store.idempotency,
    metrics,
    readiness: () => running.readiness,
    onRequest: (request) => {
      requests.push(request);
      metrics.httpRequest(request);
    },
    log: silentLog(),
    ...more,
  });
  const listener = await startListener({ app, listen: { host: "127.0.0.1", port: 0 }, configKey: "api.listen" });
  return Object.assign(running, {
    listener,
    calls,
    requests,
    request: (method: string, path: string, options: RequestOptions = {}) =>
      send(listener.url + path, method, {
        ...options,
        headers: { authorization: `Bearer ${TOKENS[0]?.token}`, ...options.headers },
      }),
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      store.close();
    },
  });
};
