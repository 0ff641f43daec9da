import { describe, expect, test } from "@jest/globals";
import { json, Router } from "express";
import { connect } from "node:net";
import { createAppserviceApp } from "../../src/http/appservice-app.ts";
import type { AnsweredRequest } from "../../src/http/base-app.ts";
import { startListener } from "../../src/http/listener.ts";
import { GatewayError } from "../../src/errors.ts";
import { type RunningApi, send, silentLog, startApi } from "./http-support.ts";

const loopback = { host: "127.0.0.1", port: 0 };

describe("monitoring", () => {
  test("asks for no token", async () => {
    await using api = await startApi();
    const health = await send(`${api.listener.url}/healthz`, "GET");
    expect([health.status, health.body]).toEqual([200, { status: "ok" }]);
    expect((await send(`${api.listener.url}/readyz`, "GET")).status).toBe(200);
    expect((await send(`${api.listener.url}/metrics`, "GET")).status).toBe(200);
  });

  test("readyz says what is missing", async () => {
    await using api = await startApi();
    api.readiness = { ready: false, checks: [{ name: "trunk xivo", ok: false, text: "unreachable" }] };
    const ready = await send(`${api.listener.url}/readyz`, "GET");
    expect(ready.status).toBe(503);
    expect(ready.body).toEqual({ ready: false, checks: [{ name: "trunk xivo", ok: false, text: "unreachable" }] });
  });

  test("metrics count requests by pattern, so that ids and strange words make no series", async () => {
    await using api = await startApi();
    await api.request("GET", "/api/v1/calls/some-secret-id");
    await api.request("GET", "/nowhere/some-secret-id");
    await api.request("PURGE", "/nowhere");
    const { text, headers } = await send(`${api.listener.url}/metrics`, "GET");
    expect(headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const series = text.split("\n").filter((line) => line.startsWith("mrtc_sip_gateway_http_request_seconds_count"));
    expect(series.sort()).toEqual([
      'mrtc_sip_gateway_http_request_seconds_count{listener="api",method="GET",route="/api/v1/calls/:id",status="404"} 1',
      'mrtc_sip_gateway_http_request_seconds_count{listener="api",method="GET",route="none",status="404"} 1',
      'mrtc_sip_gateway_http_request_seconds_count{listener="api",method="other",route="none",status="404"} 1',
    ]);
    expect(text).not.toContain("some-secret-id");
  });

  test("every answer carries the headers that keep browsers out", async () => {
    await using api = await startApi();
    for (const path of ["/healthz", "/nowhere", "/api/v1/calls"]) {
      const { headers } = await send(api.listener.url + path, "GET");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });
});

describe("LiveKit's webhooks", () => {
  const body = '{"event":"participant_left"}';
  const post = (api: RunningApi) =>
    api.request("POST", "/livekit/webhook", {
      rawBody: body,
      headers: { "content-type": "application/webhook+json", authorization: "signature" },
    });

  test("are handed on as they came; what is not signed is refused", async () => {
    const taken: unknown[] = [];
    await using api = await startApi({ takeWebhook: async (...webhook) => void taken.push(webhook) });
    expect((await post(api)).status).toBe(200);
    expect(taken).toEqual([[body, "signature"]]);
    await using strict = await startApi({
      takeWebhook: async () => {
        throw new GatewayError("UNAUTHORIZED", "not ours");
      },
    });
    expect(await post(strict)).toMatchObject({ status: 401, body: { errcode: "UNAUTHORIZED" } });
  });

  test("are unknown without a livekit-sip trunk", async () => {
    await using api = await startApi();
    expect((await post(api)).status).toBe(404);
  });
});

describe("listener", () => {
  test("a port that is taken is an error that names the key", async () => {
    await using api = await startApi();
    const listen = { host: "127.0.0.1", port: api.listener.port };
    await expect(startListener({ app: () => {}, listen, configKey: "api.listen" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `api.listen: 127.0.0.1:${listen.port} is in use by another process`,
    });
  });

  test("an address that is not of this machine is an error", async () => {
    const listen = { host: "192.0.2.1", port: 0 };
    await expect(startListener({ app: () => {}, listen, configKey: "api.listen" })).rejects.toThrow("api.listen");
  });

  test("closing lets a running request finish", async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const app = (_: unknown, response: { end(text: string): void }): void => {
      arrived.resolve();
      void release.promise.then(() => response.end("done"));
    };
    const listener = await startListener({ app, listen: loopback, configKey: "api.listen" });
    const answer = send(listener.url, "GET");
    await arrived.promise;
    const closed = listener.close();
    release.resolve();
    expect((await answer).text).toBe("done");
    await closed;
  });

  test("closing cuts off what does not finish", async () => {
    const listener = await startListener({ app: () => {}, listen: loopback, configKey: "api.listen" });
    const socket = connect(listener.port, "127.0.0.1");
    const ended = new Promise((resolve) => socket.once("close", resolve));
    await new Promise<void>((resolve) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n", () => resolve()));
    await listener.close(50);
    await ended;
    expect(socket.destroyed).toBe(true);
  });
});

describe("the homeserver's listener", () => {
  const start = async () => {
    const requests: AnsweredRequest[] = [];
    const router = Router();
    router.put("/_matrix/app/v1/transactions/:id", json(), (request, response) => {
      response.json({ got: request.body as unknown });
    });
    router.get("/broken", () => {
      throw new Error("secret details");
    });
    const app = createAppserviceApp({ router, onRequest: (request) => requests.push(request), log: silentLog() });
    const listener = await startListener({ app, listen: loopback, configKey: "appservice.listen" });
    return { listener, requests, [Symbol.asyncDispose]: () => listener.close() };
  };

  test("answers in Matrix' words", async () => {
    await using server = await start();
    const { url } = server.listener;
    const good = await send(`${url}/_matrix/app/v1/transactions/1`, "PUT", { body: { events: [] } });
    expect(good.body).toEqual({ got: { events: [] } });
    const unknown = await send(`${url}/_matrix/app/v1/nothing`, "GET");
    expect([unknown.status, unknown.body["errcode"]]).toEqual([404, "M_UNRECOGNIZED"]);
    const broken = await send(`${url}/_matrix/app/v1/transactions/1`, "PUT", { rawBody: "{" });
    expect([broken.status, broken.body["errcode"]]).toEqual([400, "M_NOT_JSON"]);
    const big = await send(`${url}/_matrix/app/v1/transactions/1`, "PUT", { body: "x".repeat(200_000) });
    expect([big.status, big.body["errcode"]]).toEqual([413, "M_TOO_LARGE"]);
    const failed = await send(`${url}/broken`, "GET");
    expect([failed.status, failed.body["errcode"]]).toEqual([500, "INTERNAL"]);
    expect(failed.text).not.toContain("secret details");
    expect(server.requests.map(({ route, status }) => `${status} ${route}`)).toEqual([
      "200 /_matrix/app/v1/transactions/:id",
      "404 none",
      "400 /_matrix/app/v1/transactions/:id",
      "413 /_matrix/app/v1/transactions/:id",
      "500 /broken",
    ]);
  });
});
