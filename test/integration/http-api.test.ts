import { describe, expect, test } from "@jest/globals";
import { ERROR_CODES, GatewayError } from "../../src/errors.ts";
import { type Answer, startApi, TOKENS } from "./http-support.ts";

const ROOM = "!room:example.org";
const addCall = { room_id: ROOM, number: "+33140506070" };

/** `404 CALL_NOT_FOUND`; every error is `{errcode, error}` and nothing else. */
const problem = (answer: Answer): string => {
  const isError = Object.keys(answer.body).sort().join() === "errcode,error";
  const isJson = answer.headers.get("content-type")?.startsWith("application/json") === true;
  return isError && isJson ? `${answer.status} ${String(answer.body["errcode"])}` : `no error: ${answer.text}`;
};

describe("calls", () => {
  test("are added for the token, shown, listed and hung up", async () => {
    await using api = await startApi();
    const added = await api.request("POST", "/api/v1/calls", { body: addCall });
    expect(added.status).toBe(201);
    expect(added.headers.get("location")).toBe("/api/v1/calls/call-1");
    expect(added.body).toEqual({
      call_id: "call-1",
      room_id: ROOM,
      user_id: "@tel_+33140506070:example.org",
      number: "+33140506070",
      number_class: "national",
      name: null,
      person: null,
      forwarded_to: null,
      forwarded_from: null,
      direction: "outbound",
      state: "alerting",
      outcome: null,
      cause: null,
      added_by: { type: "token", name: "crm" },
      created_at: "2026-11-21T10:45:00.000Z",
      answered_at: null,
      ended_at: null,
    });
    expect(api.calls.added).toEqual([
      { roomId: ROOM, number: "+33140506070", subject: { kind: "token", name: "crm" }, via: "api" },
    ]);
    await api.request("POST", "/api/v1/calls", { body: { ...addCall, confirm: "key" } });
    expect(api.calls.added.at(-1)).toMatchObject({ confirm: "key" });
    const shown = await api.request("GET", "/api/v1/calls/call-1");
    expect(shown.body).toEqual(added.body);
    const ended = await api.request("DELETE", "/api/v1/calls/call-1");
    expect(ended.status).toBe(200);
    expect(ended.body).toMatchObject({
      state: "ended",
      outcome: "cancelled",
      cause: { sip_status: 487, q850: null, text: null },
      ended_at: "2026-11-21T10:45:05.000Z",
    });
  });

  test("are listed newest first, by room, and no more than asked", async () => {
    await using api = await startApi();
    for (const room_id of [ROOM, "!other:example.org", ROOM])
      await api.request("POST", "/api/v1/calls", { body: { ...addCall, room_id } });
    const ids = async (query: string): Promise<string[]> => {
      const { body } = await api.request("GET", `/api/v1/calls${query}`);
      return (body["calls"] as { call_id: string }[]).map((call) => call.call_id);
    };
    expect(await ids("")).toEqual(["call-3", "call-2", "call-1"]);
    expect(await ids(`?room_id=${encodeURIComponent(ROOM)}`)).toEqual(["call-3", "call-1"]);
    expect(await ids("?limit=1")).toEqual(["call-3"]);
    const { body } = await api.request("GET", "/api/v1/calls?limit=1");
    expect(body["next"]).toBe(`${Date.UTC(2026, 10, 21, 10, 45)}.call-3`);
    expect(await ids(`?limit=2&after=${String(body["next"])}`)).toEqual(["call-2", "call-1"]);
    expect((await api.request("GET", "/api/v1/calls?limit=3")).body["next"]).toBeNull();
  });

  test("come with the phones that wait, of the room that is asked for", async () => {
    await using api = await startApi();
    const { body } = await api.request("GET", "/api/v1/calls");
    const phone = {
      room_id: "!board:example.org",
      user_id: "@tel_1001:example.org",
      number: "1001",
      number_class: "internal",
      since: "2026-11-21T11:00:00.000Z",
    };
    expect(body["waiting"]).toEqual([
      { ...phone, waits_for: "moderator", call_id: null, name: "Front desk" },
      { ...phone, waits_for: "company", call_id: "call-7", name: null },
    ]);
    const other = await api.request("GET", "/api/v1/calls?room_id=!other:example.org");
    expect(other.body["waiting"]).toEqual([]);
  });

  test("that are not there, or somebody else's", async () => {
    await using api = await startApi();
    await api.request("POST", "/api/v1/calls", { body: addCall });
    expect(problem(await api.request("GET", "/api/v1/calls/none"))).toBe("404 CALL_NOT_FOUND");
    expect(problem(await api.request("DELETE", "/api/v1/calls/none"))).toBe("404 CALL_NOT_FOUND");
    const headers = { authorization: `Bearer ${TOKENS[1]?.token}` };
    expect(problem(await api.request("DELETE", "/api/v1/calls/call-1", { headers }))).toBe("403 NOT_YOUR_CALL");
  });
});

describe("tokens", () => {
  test.each([
    ["none", ""],
    ["an empty one", "Bearer "],
    ["a wrong one", "Bearer token-of-the-crm-012345678"],
    ["a right one with something behind", "Bearer token-of-the-crm-0123456789x"],
    ["another scheme", "Basic token-of-the-crm-0123456789"],
    ["only the name", "Bearer crm"],
  ])("%s: refused, and nothing is read or done", async (_, authorization) => {
    await using api = await startApi();
    for (const [method, path] of [
      ["GET", "/api/v1/calls"],
      ["POST", "/api/v1/calls"],
      ["DELETE", "/api/v1/calls/x"],
    ] as const) {
      const body = method === "POST" ? { body: addCall } : {};
      const answer = await api.request(method, path, { ...body, headers: { authorization } });
      expect(problem(answer)).toBe("401 UNAUTHORIZED");
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
    expect(api.calls.added).toEqual([]);
  });

  test("the scheme may be written in any case", async () => {
    await using api = await startApi();
    const headers = { authorization: `bearer ${TOKENS[1]?.token}` };
    expect((await api.request("GET", "/api/v1/calls", { headers })).status).toBe(200);
  });
});

describe("hostile requests", () => {
  const big = (length: number): string => JSON.stringify({ ...addCall, number: "1".repeat(length) });
  const rejected: readonly [
    string,
    { rawBody?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
  ][] = [
    ["no body", {}],
    ["broken JSON", { rawBody: '{"room_id": ' }],
    ["a JSON string", { rawBody: '"hello"' }],
    ["a JSON list", { rawBody: "[]" }],
    ["null", { rawBody: "null" }],
    ["bytes", { rawBody: new Uint8Array([0xff, 0xfe, 0, 1]) }],
    ["no field", { rawBody: "{}" }],
    ["an unknown field", { rawBody: JSON.stringify({ ...addCall, admin: true }) }],
    ["a number that is one", { rawBody: JSON.stringify({ ...addCall, number: 33140506070 }) }],
    ["a number too long", { rawBody: big(65) }],
    ["a number that is an object", { rawBody: JSON.stringify({ ...addCall, number: { toString: "x" } }) }],
    ["a room that is none", { rawBody: JSON.stringify({ ...addCall, room_id: "#alias:example.org" }) }],
    ["a room with a line break", { rawBody: JSON.stringify({ ...addCall, room_id: "!a\n:b" }) }],
    ["a prototype", { rawBody: '{"__proto__": {"room_id": "!a:b"}, "number": "+33140506070"}' }],
    ["deep nesting", { rawBody: `{"room_id":${"[".repeat(20_000)}${"]".repeat(20_000)}}` }],
    ["another content type", { rawBody: JSON.stringify(addCall), headers: { "content-type": "text/plain" } }],
    [
      "an unknown charset",
      { rawBody: JSON.stringify(addCall), headers: { "content-type": "application/json; charset=klingon" } },
    ],
    ["a false encoding", { rawBody: JSON.stringify(addCall), headers: { "content-encoding": "gzip" } }],
    ["an unknown encoding", { rawBody: JSON.stringify(addCall), headers: { "content-encoding": "zzz" } }],
  ];

  test.each(rejected)("POST with %s: 400 and no call", async (_, options) => {
    await using api = await startApi();
    expect(problem(await api.request("POST", "/api/v1/calls", options))).toBe("400 BAD_REQUEST");
    expect(api.calls.added).toEqual([]);
    expect((await api.request("POST", "/api/v1/calls", { body: addCall })).status).toBe(201);
  });

  test("a body above 100 kB is refused unread", async () => {
    await using api = await startApi();
    expect(problem(await api.request("POST", "/api/v1/calls", { rawBody: big(110_000) }))).toBe("413 BAD_REQUEST");
  });

  test("an answer names the field and does not repeat what was sent", async () => {
    await using api = await startApi();
    const answer = await api.request("POST", "/api/v1/calls", { body: { room_id: "<script>", number: 5 } });
    expect(answer.body["error"]).toMatch(/room_id: .*; number: /);
    expect(answer.text).not.toContain("<script>");
  });

  test.each([
    "?limit=0",
    "?limit=501",
    "?limit=-1",
    "?limit=1e3",
    "?limit=1&limit=2",
    "?room_id=x",
    "?room=x",
    "?user_id=alice",
    "?since=yesterday",
    "?after=x",
    "?outcome=unknown",
    "?limit[a]=1",
  ])("GET /calls%s: 400", async (query) => {
    await using api = await startApi();
    expect(problem(await api.request("GET", `/api/v1/calls${query}`))).toBe("400 BAD_REQUEST");
  });

  test.each([
    ["GET", "/"],
    ["GET", "/api/v1/nothing"],
    ["PUT", "/api/v1/calls"],
    ["POST", "/metrics"],
    ["GET", "/api/v1/calls/a/b"],
  ])("%s %s: 404 as JSON", async (method, path) => {
    await using api = await startApi();
    expect(problem(await api.request(method, path))).toBe("404 NOT_FOUND");
  });

  test("an address that cannot be decoded: 400", async () => {
    await using api = await startApi();
    expect(problem(await api.request("GET", "/api/v1/calls/%zz"))).toBe("400 BAD_REQUEST");
  });
});

describe("errors of the gateway", () => {
  test.each([
    ["NUMBER_NOT_PERMITTED", 403],
    ["EMERGENCY_NOT_PERMITTED", 403],
    ["BOT_NOT_IN_ROOM", 403],
    ["NO_LIVE_CALL", 409],
    ["NO_ROUTE", 422],
    ["LIMIT_REACHED", 429],
    ["HOMESERVER_UNAVAILABLE", 503],
    ["SHUTTING_DOWN", 503],
  ] as const)("%s becomes %d with its words", async (code, status) => {
    await using api = await startApi();
    api.calls.failure = new GatewayError(code, `What to do about ${code}`);
    const answer = await api.request("POST", "/api/v1/calls", { body: addCall });
    expect(problem(answer)).toBe(`${status} ${code}`);
    expect(answer.body["error"]).toBe(`What to do about ${code}`);
  });

  test("every code has a status from 400 to 503", async () => {
    await using api = await startApi();
    for (const code of ERROR_CODES) {
      api.calls.failure = new GatewayError(code, "words");
      const answer = await api.request("POST", "/api/v1/calls", { body: addCall });
      expect(answer.body["errcode"]).toBe(code);
      expect([400, 401, 403, 404, 409, 422, 429, 500, 502, 503]).toContain(answer.status);
    }
  });

  test("what nobody expected tells nothing of itself", async () => {
    await using api = await startApi();
    api.calls.failure = new TypeError("cannot read hunter22 of undefined");
    const answer = await api.request("POST", "/api/v1/calls", { body: addCall });
    expect(problem(answer)).toBe("500 INTERNAL");
    expect(answer.text).not.toContain("hunter22");
    expect(answer.text).not.toContain("http/");
  });
});

describe("Idempotency-Key", () => {
  const withKey = (key: string, authorization?: string) => ({
    body: addCall,
    headers: { "idempotency-key": key, ...(authorization === undefined ? {} : { authorization }) },
  });

  test("the same request again is the same call", async () => {
    await using api = await startApi();
    const first = await api.request("POST", "/api/v1/calls", withKey("k1"));
    const second = await api.request("POST", "/api/v1/calls", withKey("k1"));
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect([first, second].map((answer) => answer.headers.get("idempotent-replayed"))).toEqual([null, "true"]);
    expect(api.calls.added).toHaveLength(1);
  });

  test("ten at the same moment are one call", async () => {
    await using api = await startApi();
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    api.calls.gate = gate.promise;
    api.calls.onAdd = entered.resolve;
    const answers = Array.from({ length: 10 }, () => api.request("POST", "/api/v1/calls", withKey("k1")));
    await entered.promise;
    gate.resolve();
    const ids = (await Promise.all(answers)).map((answer) => answer.body["call_id"]);
    expect(new Set(ids)).toEqual(new Set(["call-1"]));
    expect(api.calls.added).toHaveLength(1);
  });

  test("with another request: refused, while the first one runs and after it", async () => {
    await using api = await startApi();
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    api.calls.gate = gate.promise;
    api.calls.onAdd = entered.resolve;
    const other = { ...withKey("k1"), body: { ...addCall, room_id: "!other:example.org" } };
    const first = api.request("POST", "/api/v1/calls", withKey("k1"));
    await entered.promise;
    expect(problem(await api.request("POST", "/api/v1/calls", other))).toBe("422 IDEMPOTENCY_KEY_REUSED");
    gate.resolve();
    expect((await first).status).toBe(201);
    expect(problem(await api.request("POST", "/api/v1/calls", other))).toBe("422 IDEMPOTENCY_KEY_REUSED");
    expect(api.calls.added).toHaveLength(1);
  });

  test("keys of two tokens are two keys", async () => {
    await using api = await startApi();
    await api.request("POST", "/api/v1/calls", withKey("k1"));
    await api.request("POST", "/api/v1/calls", withKey("k1", `Bearer ${TOKENS[1]?.token}`));
    expect(api.calls.added.map(({ subject }) => subject)).toEqual([
      { kind: "token", name: "crm" },
      { kind: "token", name: "desk" },
    ]);
  });

  test("a failure is not remembered", async () => {
    await using api = await startApi();
    api.calls.failure = new GatewayError("NO_LIVE_CALL", "Nobody is in a call there");
    expect(problem(await api.request("POST", "/api/v1/calls", withKey("k1")))).toBe("409 NO_LIVE_CALL");
    api.calls.failure = undefined;
    expect((await api.request("POST", "/api/v1/calls", withKey("k1"))).status).toBe(201);
  });

  test.each(["", "a b", "x".repeat(256)])("%j is none", async (key) => {
    await using api = await startApi();
    expect(problem(await api.request("POST", "/api/v1/calls", withKey(key)))).toBe("400 BAD_REQUEST");
  });
});

describe("the directory", () => {
  const bobs = { number: "1002", number_class: "internal", name: "Bob", user_id: "@bob:example.org" };
  test.each([
    ["number=10%2002", [bobs]],
    ["number=1001", [{ number: "1001", number_class: "internal", name: "Reception", user_id: null }]],
    ["number=1003", []],
    [
      "user_id=%40bob%3Aexample.org",
      [bobs, { number: "+33140506070", number_class: "national", name: null, user_id: "@bob:example.org" }],
    ],
    ["user_id=%40nobody%3Aexample.org", []],
  ])("finds %s", async (query, entries) => {
    await using api = await startApi();
    expect((await api.request("GET", `/api/v1/directory?${query}`)).body).toEqual({ entries });
  });

  test.each([
    ["", "400 BAD_REQUEST"],
    ["number=1002&user_id=%40bob%3Aexample.org", "400 BAD_REQUEST"],
    ["user_id=bob", "400 BAD_REQUEST"],
    ["number=bob", "400 INVALID_NUMBER"],
    ["numbers=1002", "400 BAD_REQUEST"],
  ])("refuses %j: %s", async (query, words) => {
    await using api = await startApi();
    expect(problem(await api.request("GET", `/api/v1/directory?${query}`))).toBe(words);
  });
});
