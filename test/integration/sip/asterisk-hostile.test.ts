import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, expect, jest, test } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";

import type { DialRequest } from "../../../src/calls/ports.ts";
import { callId, legId, trunkId } from "../../../src/ids.ts";
import { type AsteriskEngine, createAsteriskEngine } from "../../../src/sip/asterisk/engine.ts";
import { checkAsterisk } from "../../../src/sip/asterisk/health.ts";
import type { AsteriskEngineOptions } from "../../../src/sip/asterisk/options.ts";
import { dialLeg, recordingLog } from "./asterisk-support.ts";

jest.setTimeout(15_000);

type Answer = (response: ServerResponse, body: Record<string, unknown>, path: string) => void;

const json =
  (status: number, value: unknown): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };

/** A server that speaks ARI as far as a call needs it, and says on top whatever a test wants. */
const startFakeAri = async () => {
  const requests: string[] = [];
  /** "METHOD /path-without-ids" to answer; what is not named here is answered like Asterisk does. */
  const overrides = new Map<string, Answer>();
  const sockets = new WebSocketServer({ noServer: true });
  let connections = 0;
  let refuseEvents = false;

  const say = (text: string): void => {
    for (const socket of sockets.clients) if (socket.readyState === WebSocket.OPEN) socket.send(text);
  };
  const event = (type: string, channelId: string, more: object = {}): void => {
    const channel = { id: channelId, name: "PJSIP/xivo-00000001", state: "Down", ...more };
    say(JSON.stringify({ type, application: "gw", channel, ...more }));
  };

  const normal: Record<string, Answer> = {
    "POST /channels/create": (response, body) => {
      json(200, { id: body["channelId"], name: "PJSIP/xivo-00000001", state: "Down" })(response, body, "");
      event("StasisStart", String(body["channelId"]));
    },
    "POST /channels/externalMedia": (response, body) =>
      json(200, { id: body["channelId"], channelvars: { MEDIA_WEBSOCKET_CONNECTION_ID: "connection" } })(
        response,
        body,
        "",
      ),
    "GET /channels": json(200, []),
    "GET /bridges": json(200, []),
    "DELETE /channels/ID": (response, body, path) => {
      json(200, {})(response, body, path);
      event("ChannelDestroyed", decodeURIComponent(path.split("/")[2]!), { cause: 16 });
    },
  };

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? "", "http://x").pathname.replace(/^\/ari/, "");
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = z.record(z.string(), z.unknown()).parse(text === "" ? {} : JSON.parse(text));
    const named = path.replace(/^(\/channels|\/bridges)\/(?!create$|externalMedia$)[^/]+/, "$1/ID");
    const route = `${request.method} ${named}`;
    requests.push(`${request.method} ${path}`);
    (overrides.get(route) ?? normal[route] ?? json(200, {}))(response, body, path);
  };

  const server: Server = createServer((request, response) => void receive(request, response));
  server.on("upgrade", (request, socket, head) => {
    connections += 1;
    if (refuseEvents) return void socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ari`,
    requests,
    overrides,
    say,
    event,
    connections: () => connections,
    dropEvents: () => sockets.clients.forEach((socket) => socket.terminate()),
    refuseEvents: (refuse: boolean) => (refuseEvents = refuse),
    async stop(): Promise<void> {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

const running: { stop(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

const setUp = async () => {
  const ari = await startFakeAri();
  const { log, lines } = recordingLog();
  const options: AsteriskEngineOptions = {
    url: ari.url,
    username: "gw",
    password: "very-secret",
    app: "gw",
    allowInsecure: false,
    trunks: new Map([[trunkId("xivo"), { endpoint: "xivo" }]]),
  };
  const engine: AsteriskEngine = createAsteriskEngine(options, log);
  running.push(ari, { stop: () => engine.close() });
  return { ari, lines, options, engine };
};

/** Dials and gives the phone's channel id, as the engine named it. */
const dialOn = async ({ ari, engine }: Awaited<ReturnType<typeof setUp>>) => {
  const leg = dialLeg(engine, "1001");
  await leg.until("leg.mediaReady");
  const dial = ari.requests.findLast((request) => request.includes(leg.id) && request.endsWith("/dial"))!;
  return { leg, channel: decodeURIComponent(dial.split("/")[2]!) };
};

test("malformed and foreign events touch no call, and the log counts them without their content", async () => {
  const set = await setUp();
  const { ari, engine, lines } = set;
  await engine.ready();
  const { leg, channel } = await dialOn(set);
  const { leg: other, channel: otherChannel } = await dialOn(set);
  ari.event("ChannelStateChange", channel, { state: "Ringing" });
  await leg.until("leg.ringing");

  for (const text of ["", "null", "[]", "{", '"ChannelDestroyed"', '{"type":7}', '{"type":"__proto__"}', "\u0000"])
    ari.say(text);
  ari.say(JSON.stringify({ type: "ChannelDestroyed", channel: { id: channel } }));
  ari.say(JSON.stringify({ type: "ChannelDestroyed", channel: { id: channel, name: "x", state: "Up" }, cause: "16" }));
  ari.say(
    JSON.stringify({ type: "ChannelDtmfReceived", channel: { id: channel, name: "x", state: "Up" }, digit: "4711" }),
  );
  // Ids that are nearly right: an older try of this leg, its beginning, another application's.
  for (const id of [
    channel.replace(/-[0-9a-f]{8}$/, "-00000000"),
    channel.slice(0, -1),
    channel.replace(/^gw/, "wg"),
    "1795259268.12",
  ]) {
    ari.event("ChannelDestroyed", id, { cause: 16 });
    ari.event("ChannelStateChange", id, { state: "Up" });
  }
  ari.event("ChannelStateChange", channel, { state: "Up" });
  await leg.until("leg.answered");
  // Twice the same, and a late one.
  ari.event("ChannelStateChange", channel, { state: "Up" });
  ari.event("ChannelStateChange", channel, { state: "Ringing" });
  ari.event("ChannelDestroyed", channel, { cause: 16 });
  ari.event("ChannelDestroyed", channel, { cause: 17, tech_cause: 486 });
  await leg.until("leg.ended");
  ari.event("ChannelHold", channel);
  ari.event("ChannelStateChange", otherChannel, { state: "Up" });
  await other.until("leg.answered");

  expect(leg.types()).toEqual(["leg.mediaReady", "leg.ringing", "leg.answered", "leg.ended"]);
  expect(leg.facts.at(-1)).toMatchObject({ outcome: "completed" });
  expect(other.types()).toEqual(["leg.mediaReady", "leg.answered"]);
  expect(lines.filter((line) => line.startsWith("malformed ARI event")).length).toBeGreaterThanOrEqual(8);
  expect(lines.join("\n")).not.toMatch(/4711|very-secret/);
});

test("a flood in one message closes the connection, which comes back, and the call with it", async () => {
  const set = await setUp();
  const { ari, engine } = set;
  await engine.ready();
  const { leg, channel } = await dialOn(set);
  ari.overrides.set("GET /channels", json(200, [{ id: channel, name: "PJSIP/xivo-00000001", state: "Up" }]));
  ari.say(`{"type":"${"x".repeat(2_000_000)}"}`);
  // Told from the channel's state when the connection is back.
  await leg.until("leg.answered");
  expect(ari.connections()).toBe(2);
  expect(leg.types()).not.toContain("leg.ended");
});

test("a list of calls that cannot be read after a reconnection is asked for again", async () => {
  const set = await setUp();
  const { ari, engine } = set;
  await engine.ready();
  const { leg, channel } = await dialOn(set);
  let asked = 0;
  ari.overrides.set("GET /channels", (response, body, path) => {
    asked += 1;
    const channels = [{ id: channel, name: "PJSIP/xivo-00000001", state: "Up" }];
    (asked === 1 ? json(503, {}) : json(200, channels))(response, body, path);
  });
  ari.dropEvents();
  await leg.until("leg.answered");
  expect(asked).toBe(2);
});

test.each<[string, Answer]>([
  ["500 without words", json(500, {})],
  ["a web page", (response) => void response.writeHead(200).end("<html>")],
  [
    "a redirect to somewhere else",
    (response) => void response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(),
  ],
  ["a closed connection", (response) => void response.destroy()],
  [
    "half an answer",
    (response) => {
      response.writeHead(200, { "content-length": "1000" }).write("{");
      setImmediate(() => response.destroy());
    },
  ],
])("%s to a call ends that call, which may take the next trunk, and no other", async (_, answer) => {
  const set = await setUp();
  await set.engine.ready();
  const { leg: first } = await dialOn(set);
  set.ari.overrides.set("POST /channels/create", answer);
  const second = dialLeg(set.engine, "1002");
  expect(await second.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
  expect(second.types()).toEqual(["leg.ended"]);
  expect(first.types()).toEqual(["leg.mediaReady"]);
});

test("a server that makes the channel and never says so ends the call within seconds, channel removed", async () => {
  const { ari, engine } = await setUp();
  await engine.ready();
  ari.overrides.set("POST /channels/create", json(200, {}));
  const leg = dialLeg(engine, "1001");
  expect(await leg.until("leg.ended", 3000)).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: true });
  await engine.hangup(leg.id, "cancelled");
  expect(ari.requests.some((request) => request.startsWith("DELETE /channels/"))).toBe(true);
});

test("a call that fails faster than it joins its bridge keeps the cause of its failure", async () => {
  const { ari, engine } = await setUp();
  await engine.ready();
  ari.overrides.set("POST /bridges/ID/addChannel", (response, body, path) => {
    json(422, { message: "Channel not in Stasis application" })(response, body, path);
    setTimeout(() => ari.event("ChannelDestroyed", String(body["channel"]), { cause: 34, tech_cause: 503 }), 100);
  });
  const leg = dialLeg(engine, "1001");
  expect(await leg.until("leg.ended")).toMatchObject({ cause: { sipStatus: 503 }, tryNextTrunk: true });
});

test("a phone that cannot join its bridge is hung up: nobody would be heard", async () => {
  const { ari, engine } = await setUp();
  await engine.ready();
  ari.overrides.set("POST /bridges/ID/addChannel", json(422, { message: "Channel not in Stasis application" }));
  const leg = dialLeg(engine, "1001");
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "trunk-failed", tryNextTrunk: false });
  expect(ari.requests.some((request) => request.startsWith("DELETE /channels/"))).toBe(true);
});

test("external media without a connection id ends the call: nobody would be heard", async () => {
  const { ari, engine } = await setUp();
  await engine.ready();
  ari.overrides.set("POST /channels/externalMedia", json(200, { id: "x", channelvars: {} }));
  ari.overrides.set("GET /channels/ID/variable", json(404, { message: "Provided variable was not found" }));
  const leg = dialLeg(engine, "1001");
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "media-failed", tryNextTrunk: false });
});

test("an older Asterisk tells the connection id when asked for it", async () => {
  const { ari, engine } = await setUp();
  await engine.ready();
  ari.overrides.set("POST /channels/externalMedia", json(200, { id: "x" }));
  ari.overrides.set("GET /channels/ID/variable", json(200, { value: "../asked for" }));
  const leg = dialLeg(engine, "1001");
  const { media } = await leg.until("leg.mediaReady");
  expect(media).toMatchObject({ url: `${ari.url.replace("http", "ws").replace("/ari", "")}/media/..%2Fasked%20for` });
});

test("hang-up returns within 2 s from a server that answers nothing", async () => {
  const set = await setUp();
  await set.engine.ready();
  const { leg } = await dialOn(set);
  for (const route of ["DELETE /channels/ID", "DELETE /bridges/ID"]) set.ari.overrides.set(route, () => {});
  const startedMs = performance.now();
  await set.engine.hangup(leg.id, "completed");
  expect(performance.now() - startedMs).toBeLessThan(2200);
  // The end is told when the request is given up.
  expect(await leg.until("leg.ended")).toMatchObject({ outcome: "completed" });
});

test("a listener that throws takes no other call with it", async () => {
  const set = await setUp();
  const { ari, engine, lines } = set;
  await engine.ready();
  const request: DialRequest = {
    callId: callId("bad"),
    legId: legId("bad"),
    trunkId: trunkId("xivo"),
    dialString: "1002",
    callerId: { kind: "anonymous" },
    ringTimeoutMs: 1000,
    maxDurationMs: 1000,
  };
  engine.dial(request, () => {
    throw new Error("broken listener");
  });
  const { leg, channel } = await dialOn(set);
  ari.event("ChannelStateChange", channel, { state: "Up" });
  await leg.until("leg.answered");
  expect(lines.join("\n")).toMatch(/a listener of a leg failed .*broken listener/);
});

test("refused credentials are tried again for ever, never written down, and the check says what to do", async () => {
  const ari = await startFakeAri();
  running.push(ari);
  ari.refuseEvents(true);
  ari.overrides.set("GET /asterisk/info", json(401, { message: "Authentication required" }));
  const { log, lines } = recordingLog();
  const options: AsteriskEngineOptions = {
    url: ari.url,
    username: "gw",
    password: "very-secret",
    app: "gw",
    allowInsecure: false,
    trunks: new Map(),
  };
  const engine = createAsteriskEngine(options, log);
  running.push({ stop: () => engine.close() });
  const leg = dialLeg(engine, "1001");
  await leg.until("leg.ended");
  const [check] = await checkAsterisk(options);
  expect(check).toMatchObject({ ok: false, fix: expect.stringMatching(/ari\.conf/) });
  ari.refuseEvents(false);
  await engine.ready();
  expect(ari.connections()).toBeGreaterThan(1);
  expect(lines.join("\n")).toMatch(/401/);
  expect(lines.join("\n")).not.toMatch(/very-secret|authorization/i);
});

test("a second gateway under the same name is told in the log", async () => {
  const { ari, engine, lines } = await setUp();
  await engine.ready();
  ari.say(JSON.stringify({ type: "ApplicationReplaced", application: "gw" }));
  const leg = dialLeg(engine, "1001");
  await leg.until("leg.mediaReady");
  expect(lines.join("\n")).toMatch(/took over this gateway's ARI application/);
});
