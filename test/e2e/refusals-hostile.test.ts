// What a hostile or broken client sends to the API and to the listener of the homeserver: a stable code, no echo, no effect.
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { once } from "node:events";
import { gzipSync } from "node:zlib";

import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { type GoodCall, startGoodCall } from "../support/e2e/good-call.ts";
import { metric } from "../support/e2e/metrics.ts";
import { type RoomHand, roomHand, userExists } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { memberEvent, putEvents, putTransaction } from "../support/e2e/transactions.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 30_000;
jest.setTimeout(TIMEOUT_MS);
/** Must not come back in an answer, and must not be in the log. */
const MARK = "MARK-7f3a";
const CALLS = "/api/v1/calls";
const NEVER_DIALLED = "+33140506079";

let scene: Scene;
let good: GoodCall;
let room: RoomHand;
let gatewayPid: number;

beforeAll(async () => {
  scene = await startScene();
  good = await startGoodCall(scene);
  gatewayPid = scene.lab.gateway.process().pid;
  room = roomHand(scene.lab, await scene.createRoom({ encrypted: false }), scene.alice);
  await room.joinCallSilently(scene.alice);
  await room.untilBotHasRead(scene.alice);
}, 600_000);
afterEach(async () => {
  const ready = await fetch(`${scene.lab.gateway.apiUrl}/readyz`);
  expect(ready.status).toBe(200);
  expect((await scene.lab.pbx.calls()).map(({ number }) => number)).toEqual(["1002"]);
});
afterAll(async () => {
  await good?.stop();
  await scene?.stop();
}, 60_000);

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

const send = async (method: string, path: string, init: Omit<RequestInit, "method"> = {}): Promise<Answer> => {
  const { apiUrl, apiToken } = scene.lab.gateway;
  const headers = { authorization: `Bearer ${apiToken}`, "content-type": "application/json" };
  const response = await fetch(`${apiUrl}${path}`, {
    ...init,
    method,
    headers: { ...headers, ...(init.headers as Record<string, string>) },
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
};

const expectRefused = ({ status, text }: Answer, expected: { status: number; errcode: string }): void => {
  const { errcode, error, ...rest } = JSON.parse(text) as Record<string, unknown>;
  expect({ status, errcode }).toEqual(expected);
  expect(error).toEqual(expect.stringMatching(/\w/));
  expect(rest).toEqual({});
  expect(text).not.toContain(MARK);
};

const BAD_REQUEST = { status: 400, errcode: "BAD_REQUEST" };
const UNAUTHORIZED = { status: 401, errcode: "UNAUTHORIZED" };
const INVALID_NUMBER = { status: 400, errcode: "INVALID_NUMBER" };

describe("bodies", () => {
  const inRoom = (rest: string): string => `{"room_id":${JSON.stringify(room.roomId)},${rest}}`;
  const bodies: readonly {
    what: string;
    body: () => string | Buffer<ArrayBuffer>;
    as?: { status: number; errcode: string };
  }[] = [
    { what: "nothing", body: () => "" },
    { what: "half of an object", body: () => `{"room_id":"${MARK}` },
    { what: "null", body: () => "null" },
    { what: "a list", body: () => `["${MARK}"]` },
    { what: "a word", body: () => `"${MARK}"` },
    { what: "not JSON", body: () => `room_id=${MARK}&number=1001` },
    { what: "not UTF-8", body: () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]) },
    { what: "brackets a hundred thousand deep", body: () => "[".repeat(90_000) },
    { what: "no number", body: () => inRoom('"n":1').replace(',"n":1', "") },
    { what: "a number as a number", body: () => inRoom('"number":1001') },
    { what: "a number as a list", body: () => inRoom('"number":["1001"]') },
    { what: "a number as an object", body: () => inRoom('"number":{"toString":"1001","length":4}') },
    { what: "a room as a number", body: () => '{"room_id":1,"number":"1001"}' },
    { what: "a room that is no room id", body: () => `{"room_id":"#${MARK}:x","number":"1001"}` },
    { what: "a room with a line break", body: () => `{"room_id":"!a\\r\\n${MARK}","number":"1001"}` },
    { what: "an unknown key", body: () => inRoom(`"number":"1001","trunk":"${MARK}"`) },
    { what: "__proto__", body: () => inRoom('"number":"3631","__proto__":{"number":"1001","isAdmin":true}') },
    { what: "constructor", body: () => inRoom('"number":"1001","constructor":{"prototype":{"isAdmin":true}}') },
    { what: "a number too long", body: () => inRoom(`"number":"${"1".repeat(65)}"`) },
    {
      what: "a megabyte",
      body: () => inRoom(`"number":"${"1".repeat(1_000_000)}"`),
      as: { status: 413, errcode: "BAD_REQUEST" },
    },
    { what: "a header in the number", body: () => inRoom('"number":"1001\\r\\nX-Evil: 1"'), as: INVALID_NUMBER },
    { what: "a SIP address", body: () => inRoom('"number":"sip:1001@evil.example"'), as: INVALID_NUMBER },
    { what: "a SIP parameter", body: () => inRoom('"number":"1001;maddr=evil.example"'), as: INVALID_NUMBER },
    { what: "a second endpoint", body: () => inRoom('"number":"1001&PJSIP/1002"'), as: INVALID_NUMBER },
    { what: "a dial plan", body: () => inRoom('"number":"${EXTEN}"'), as: INVALID_NUMBER },
    { what: "a null byte", body: () => inRoom('"number":"1001\\u0000"'), as: INVALID_NUMBER },
  ];

  test.each(bodies)("$what", async ({ body, as = BAD_REQUEST }) => {
    expectRefused(await send("POST", CALLS, { body: body() }), as);
    expect(await scene.calls(room.roomId)).toEqual([]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test("of another content type, of an unknown charset or encoding, and one that grows when it is unpacked", async () => {
    const body = inRoom('"number":"1001"');
    const as = (headers: Record<string, string>, what: string | Buffer<ArrayBuffer> = body) =>
      send("POST", CALLS, { headers, body: what });
    expectRefused(await as({ "content-type": "text/plain" }), BAD_REQUEST);
    expectRefused(await as({ "content-type": "application/x-www-form-urlencoded" }), BAD_REQUEST);
    expectRefused(await as({ "content-type": "application/json; charset=utf-16" }, "{}"), BAD_REQUEST);
    expectRefused(await as({ "content-encoding": "zstd-of-mine" }), BAD_REQUEST);
    expectRefused(await as({ "content-encoding": "gzip" }), BAD_REQUEST);
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20));
    expectRefused(await as({ "content-encoding": "gzip" }, bomb), { status: 413, errcode: "BAD_REQUEST" });
  });

  test("one that ends before its end", async () => {
    const { apiToken } = scene.lab.gateway;
    const socket = connect(scene.lab.ports.gatewayApi, "127.0.0.1");
    await once(socket, "connect");
    socket.write(
      `POST ${CALLS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiToken}\r\nContent-Type: application/json\r\n` +
        `Content-Length: 1000\r\n\r\n{"room_id":`,
    );
    const counted = async (): Promise<number> =>
      [...(await scene.lab.gateway.metrics()).matchAll(/http_request_seconds_count\{.*route="none".*\} (\d+)/g)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      );
    const before = await counted();
    socket.destroy();
    await until("the request to be over", async () => ((await counted()) > before ? true : undefined));
    expect(await scene.calls(room.roomId)).toEqual([]);
  });
});

describe("credentials", () => {
  test.each([
    { what: "none", headers: { authorization: "" } },
    { what: "a wrong token", headers: { authorization: `Bearer ${MARK}` } },
    { what: "an empty token", headers: { authorization: "Bearer " } },
    { what: "another scheme", headers: { authorization: `Basic ${Buffer.from(`lab:${MARK}`).toString("base64")}` } },
  ])("$what: 401 for every address, before the body is read", async ({ headers }) => {
    const large = `{"room_id":"${MARK}","number":"${"1".repeat(1_000_000)}"}`;
    for (const answer of [
      await send("POST", CALLS, { headers, body: large }),
      await send("GET", CALLS, { headers }),
      await send("GET", `${CALLS}/${good.call.call_id}`, { headers }),
      await send("DELETE", `${CALLS}/${good.call.call_id}`, { headers }),
    ]) {
      expectRefused(answer, UNAUTHORIZED);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("a token in the address does not count", async () => {
    const { apiToken } = scene.lab.gateway;
    expectRefused(
      await send("GET", `${CALLS}?access_token=${apiToken}`, { headers: { authorization: "" } }),
      UNAUTHORIZED,
    );
  });
});

describe("addresses", () => {
  const NO_CALL = { status: 404, errcode: "CALL_NOT_FOUND" };
  const NO_ADDRESS = { status: 404, errcode: "NOT_FOUND" };
  test.each([
    { method: "GET", path: `${CALLS}/${MARK}`, as: NO_CALL },
    { method: "DELETE", path: `${CALLS}/${MARK}`, as: NO_CALL },
    { method: "GET", path: `${CALLS}/__proto__`, as: NO_CALL },
    { method: "GET", path: `${CALLS}/%00`, as: NO_CALL },
    { method: "GET", path: `${CALLS}/..%2f..%2fetc%2fpasswd`, as: NO_CALL },
    { method: "GET", path: `${CALLS}/'%20OR%201=1--`, as: NO_CALL },
    { method: "GET", path: `${CALLS}/%E0%A4%A`, as: BAD_REQUEST },
    { method: "PUT", path: CALLS, as: NO_ADDRESS },
    { method: "DELETE", path: CALLS, as: NO_ADDRESS },
    { method: "GET", path: `/api/v2/calls`, as: NO_ADDRESS },
    { method: "GET", path: `${CALLS}?limit=0`, as: BAD_REQUEST },
    { method: "GET", path: `${CALLS}?limit=1e3`, as: BAD_REQUEST },
    { method: "GET", path: `${CALLS}?limit=501`, as: BAD_REQUEST },
    { method: "GET", path: `${CALLS}?limit=1&limit=2`, as: BAD_REQUEST },
    { method: "GET", path: `${CALLS}?room_id[$ne]=x`, as: BAD_REQUEST },
    { method: "GET", path: `${CALLS}?room_id=${MARK}`, as: BAD_REQUEST },
  ])("$method $path", async ({ method, path, as }) => {
    expectRefused(await send(method, path), as);
  });

  test("one of 8000 characters", async () => {
    expectRefused(await send("GET", `${CALLS}/${"x".repeat(8000)}`), NO_CALL);
  });

  test("an Idempotency-Key that is none", async () => {
    const body = JSON.stringify({ room_id: room.roomId, number: NEVER_DIALLED });
    for (const key of ["with space", "x".repeat(256), "clé"]) {
      expectRefused(await send("POST", CALLS, { headers: { "idempotency-key": key }, body }), BAD_REQUEST);
    }
  });
});

describe("transactions", () => {
  const invite = (sender: string, user: string, roomId = room.roomId): Record<string, unknown> =>
    memberEvent({ roomId, sender, user, membership: "invite" });
  /** A ghost that may not be called: its invite has an effect that can be seen, the ghost's user and a notice. */
  const refused = (digits: string): string => scene.lab.gateway.ghost(`+3389970${digits}`);
  const untilMade = (ghost: string): Promise<true> =>
    until(`${ghost} to be made`, async () => ((await userExists(scene.lab, ghost)) ? true : undefined));

  test("with a wrong hs_token, or none: refused, and its events are not acted on", async () => {
    const { lab, alice } = scene;
    const ghost = refused("1001");
    const body = JSON.stringify({ events: [invite(alice.userId, ghost)] });
    for (const token of [MARK, lab.gateway.apiToken, `${MARK}"`]) {
      const answer = await putTransaction(lab, body, { token });
      expect(answer).toMatchObject({ status: 403, body: { errcode: "M_FORBIDDEN" } });
    }
    const url = `http://127.0.0.1:${lab.ports.gatewayAppservice}/_matrix/app/v1/transactions/x?access_token=${MARK}`;
    const bare = await fetch(url, { method: "PUT", body });
    expect({ status: bare.status, body: await bare.json() }).toMatchObject({
      status: 401,
      body: { errcode: "M_MISSING_TOKEN" },
    });
    // A good one for the same room, after which the others would have been handled.
    await putEvents(lab, [invite(alice.userId, refused("1002"))]);
    await untilMade(refused("1002"));
    expect(await userExists(lab, ghost)).toBe(false);
  });

  test.each([
    { what: "no JSON", body: () => `{"events":[${MARK}`, status: 400 },
    { what: "a word", body: () => `"${MARK}"`, status: 400 },
    { what: "null", body: () => "null", status: 400 },
    { what: "more than a homeserver sends", body: () => `{"events":["${"x".repeat(21_000_000)}"]}`, status: 400 },
  ])("$what is refused without an echo", async ({ body, status }) => {
    const answer = await putTransaction(scene.lab, body());
    expect(answer).toMatchObject({ status, body: { errcode: "M_NOT_JSON" } });
    expect(JSON.stringify(answer.body)).not.toContain(MARK);
  });

  test.each(["[]", "{}", '{"events":null}', '{"events":{}}', '{"events":[]}', '{"__proto__":{"events":[1]}}'])(
    "a body %s is taken, as it would come again for ever",
    async (body) => {
      expect(await putTransaction(scene.lab, body)).toEqual({ status: 200, body: {} });
    },
  );

  test("broken events are counted and left out, the good ones beside them are handled", async () => {
    const { lab, alice } = scene;
    const before = await metric(lab, "events_malformed_total");
    const ghost = refused("1003");
    const good = invite(alice.userId, ghost);
    const broken = [
      null,
      1,
      "x",
      [],
      {},
      { ...good, type: 1 },
      { ...good, sender: null },
      { ...good, room_id: ["!x"] },
      { ...good, state_key: 1 },
      { ...good, content: null },
      { ...good, content: "invite" },
    ];
    await putEvents(lab, [...broken, good]);
    await untilMade(ghost);
    expect(await metric(lab, "events_malformed_total")).toBe(before + broken.length);
  });

  test("events that are well formed and make no sense do nothing", async () => {
    const { lab, alice } = scene;
    const victim = lab.gateway.ghost("1002");
    const odd = [
      invite("mallory", refused("1004")),
      invite("", refused("1004")),
      invite("@:", refused("1004")),
      invite(alice.userId, refused("1004"), "no room"),
      invite(alice.userId, "@tel_:evil.example"),
      invite(alice.userId, `@tel_${"9".repeat(5000)}:${lab.homeserver.serverName}`),
      { ...invite(alice.userId, refused("1004")), type: "__proto__" },
      { ...invite(alice.userId, refused("1004")), content: { membership: { invite: true } } },
      // Nobody is put out of the call beside this by an event that is about another room.
      memberEvent({ roomId: "!elsewhere:x", sender: alice.userId, user: victim, membership: "ban" }),
      {
        type: "m.room.tombstone",
        event_id: "$x",
        room_id: "!elsewhere:x",
        sender: alice.userId,
        state_key: "",
        content: {},
      },
      // State of another key is no tombstone.
      {
        type: "m.room.tombstone",
        event_id: "$x",
        room_id: good.roomId,
        sender: alice.userId,
        state_key: "x",
        content: {},
      },
    ];
    expect(await putEvents(lab, odd)).toEqual({ status: 200, body: {} });
    await putEvents(lab, [invite(alice.userId, refused("1005"))]);
    await untilMade(refused("1005"));
    expect((await scene.call(good.call.call_id)).state).toBe("active");
  });

  test("the same transaction again is answered and not acted on again", async () => {
    const { lab, alice } = scene;
    const bot = lab.gateway.botUserId;
    const words = "This is not the id of a phone number";
    const said = async (): Promise<number> =>
      (await room.notices(bot)).filter((notice) => notice.includes(words)).length;
    const events = [invite(alice.userId, lab.gateway.ghost("again"))];
    for (let time = 1; time <= 3; time += 1) {
      expect(await putEvents(lab, events, "the-same")).toEqual({ status: 200, body: {} });
    }
    await putEvents(lab, [invite(alice.userId, refused("1006"))]);
    await untilMade(refused("1006"));
    await room.untilBotHasRead(alice);
    expect(await said()).toBe(1);
  });
});

test(
  "the gateway is the same process, its log holds no secret and no text of strangers, and the call beside goes on",
  async () => {
    const { lab } = scene;
    expect(lab.gateway.process().pid).toBe(gatewayPid);
    expect(() => process.kill(gatewayPid, 0)).not.toThrow();
    const log = await readFile(lab.log("gateway"), "utf8");
    expect(log).not.toContain(lab.gateway.apiToken);
    expect(log).not.toContain(MARK);
    await good.expectUnharmed();
  },
  TIMEOUT_MS,
);
