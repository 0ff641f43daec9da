import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import { createThirdParty } from "../../../../src/matrix/appservice/third-party.ts";
import { createAppserviceRouter } from "../../../../src/matrix/appservice/transactions.ts";
import { createTestLog, type LogLine } from "../../../support/log.ts";
import { createRecorder, type Recorder } from "../../../support/recorder.ts";

interface World {
  readonly put: (id: string, body: string | object, headers?: Record<string, string>) => Promise<Response>;
  readonly url: string;
  readonly events: Recorder<AppserviceEvent>;
  readonly malformed: number[];
  readonly lines: readonly LogLine[];
  handle: (event: AppserviceEvent) => Promise<void>;
  close(): Promise<void>;
}

const AUTH = { authorization: "Bearer hs-token" };

const start = async (): Promise<World> => {
  const stored = new Set<string>();
  const events = createRecorder<AppserviceEvent>();
  const malformed: number[] = [];
  const { log, lines } = createTestLog();
  const router = createAppserviceRouter({
    hsToken: "hs-token",
    transactionLog: { has: (id) => stored.has(id), add: (id) => void stored.add(id) },
    onEvent: (event) => world.handle(event),
    hasUser: (user) => user === "@tel_1001:example.org",
    thirdParty: createThirdParty({
      numberPlan: { country: "FR", extensionPatterns: ["1XXX"] },
      serverName: "example.org",
      isDiallable: (number) => number.class !== "premium",
    }),
    onMalformed: (count) => malformed.push(count),
    log,
  });
  const server = createServer(express().use(router)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const world: World = {
    url,
    events,
    malformed,
    lines,
    handle: async (event) => events.push(event),
    put: (id, body, headers = AUTH) =>
      fetch(`${url}/_matrix/app/v1/transactions/${id}`, {
        method: "PUT",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return world;
};

const event = (id: string, room = "!a:x"): object => ({
  type: "m.room.member",
  event_id: id,
  room_id: room,
  sender: "@alice:x",
  state_key: "@tel_1001:x",
  content: { membership: "invite" },
  origin_server_ts: 1,
  unsigned: { age: 3 },
  "org.example.unknown": true,
});

let world: World;
beforeEach(async () => {
  world = await start();
});
afterEach(() => world.close());

test("an event comes through with the fields that are used", async () => {
  const answer = await world.put("1", { events: [event("$1")] });
  expect([answer.status, await answer.json()]).toEqual([200, {}]);
  await expect(world.events.next("event")).resolves.toEqual({
    type: "m.room.member",
    eventId: "$1",
    roomId: "!a:x",
    sender: "@alice:x",
    stateKey: "@tel_1001:x",
    content: { membership: "invite" },
    ageMs: 3,
  });
});

test.each<[string, Record<string, string>, number, string]>([
  ["no token", {}, 401, "M_MISSING_TOKEN"],
  ["another scheme", { authorization: "Basic hs-token" }, 401, "M_MISSING_TOKEN"],
  ["a wrong token", { authorization: "Bearer hs-toke" }, 403, "M_FORBIDDEN"],
])("with %s nothing is done", async (_, headers, status, errcode) => {
  const answer = await world.put("1", { events: [event("$1")] }, headers);
  expect([answer.status, await answer.json()]).toEqual([status, { errcode, error: expect.any(String) }]);
  await world.put("2", { events: [event("$2")] });
  await world.events.next("second event", ({ eventId }) => eventId === "$2");
  expect(world.events.all).toHaveLength(1);
});

test("malformed events are counted and left out", async () => {
  const events = [null, 7, { type: "m.room.member" }, { ...event("$bad"), content: "text" }, event("$good")];
  expect((await world.put("1", { events })).status).toBe(200);
  await world.events.next("event");
  expect(world.events.all.map(({ eventId }) => eventId)).toEqual(["$good"]);
  expect(world.malformed).toEqual([4]);
});

test.each([
  ["no events", {}],
  ["events that are no list", { events: "x" }],
  ["a list", []],
])("a transaction with %s is taken", async (_, body) => {
  expect((await world.put("1", body)).status).toBe(200);
});

test("a body that is no JSON is refused", async () => {
  const answer = await world.put("1", "{");
  expect([answer.status, await answer.json()]).toEqual([400, { errcode: "M_NOT_JSON", error: expect.any(String) }]);
});

test("the answer does not wait for the handling; events of a room stay in order, rooms do not wait for each other", async () => {
  const order: string[] = [];
  let finishFirst = (): void => {};
  const other = createRecorder<string>();
  world.handle = async ({ eventId }) => {
    order.push(eventId);
    if (eventId === "$1") await new Promise<void>((resolve) => (finishFirst = resolve));
    else other.push(eventId);
  };
  const answer = await world.put("1", { events: [event("$1"), event("$2"), event("$other", "!b:x")] });
  expect(answer.status).toBe(200);
  await other.next("event of the other room", (id) => id === "$other");
  expect(order).toEqual(["$1", "$other"]);
  finishFirst();
  await other.next("second event", (id) => id === "$2");
});

test("an event that cannot be handled is logged without numbers, and the next one comes", async () => {
  world.handle = async (one) => {
    if (one.eventId === "$1") throw new Error("no way to @tel_+33140506070:x");
    world.events.push(one);
  };
  await world.put("1", { events: [event("$1"), event("$2")] });
  await world.events.next("second event");
  expect(world.lines).toEqual([
    {
      level: "error",
      fields: { code: "INTERNAL", eventType: "m.room.member", roomId: "!a:x" },
      message: "event not handled: no way to @tel_+33*****70:x",
    },
  ]);
});

test.each([
  ["GET", "users/%40tel_1001%3Aexample.org", 200],
  ["GET", "users/%40tel_nobody%3Aexample.org", 404],
  ["GET", "rooms/%23alias%3Aexample.org", 404],
  ["POST", "ping", 200],
])("%s %s answers %i", async (method, path, status) => {
  const request = { method, headers: AUTH, ...(method === "POST" ? { body: "{}" } : {}) };
  expect((await fetch(`${world.url}/_matrix/app/v1/${path}`, request)).status).toBe(status);
  const withoutToken = await fetch(`${world.url}/_matrix/app/v1/${path}`, { method });
  expect(withoutToken.status).toBe(401);
});

const lookUp = async (path: string): Promise<unknown> =>
  (await fetch(`${world.url}/_matrix/app/v1/thirdparty/${path}`, { headers: AUTH })).json();

test("the dial pad of Element Web finds the protocol, and the ghost of what was typed", async () => {
  expect(await lookUp("protocol/m.protocol.pstn")).toMatchObject({
    user_fields: ["m.id.phone"],
    instances: [{ network_id: "pstn" }],
  });
  const find = (typed: string) => lookUp(`user/m.protocol.pstn?m.id.phone=${encodeURIComponent(typed)}`);
  expect(await find("01 40 50 60 70")).toEqual([
    { userid: "@tel_+33140506070:example.org", protocol: "m.protocol.pstn", fields: { "m.id.phone": "+33140506070" } },
  ]);
  expect(await find("1001")).toMatchObject([{ userid: "@tel_1001:example.org" }]);
});

test.each([
  "user/m.protocol.pstn",
  "user/m.protocol.pstn?m.id.phone=nobody",
  "user/m.protocol.pstn?m.id.phone=%2B33899123456",
])("%s finds nobody", async (path) => {
  expect(await lookUp(path)).toEqual([]);
});
