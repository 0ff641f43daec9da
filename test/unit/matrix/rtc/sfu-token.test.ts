import { afterEach, expect, test } from "@jest/globals";
import { deviceId, roomId, userId } from "../../../../src/ids.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { requestSfuToken } from "../../../../src/matrix/rtc/sfu-token.ts";
import { createTransports } from "../../../../src/matrix/rtc/transports.ts";
import { startFakeHttp, type FakeAnswer, type FakeHttp } from "../../../support/fake-http.ts";

const USER = userId("@tel_+33140506070:lab");
const OPEN_ID = { access_token: "open-id", expires_in: 3600, matrix_server_name: "lab", token_type: "Bearer" };

const servers: FakeHttp[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
const start = async (answer: Parameters<typeof startFakeHttp>[0]): Promise<FakeHttp> => {
  const server = await startFakeHttp(answer);
  servers.push(server);
  return server;
};

const jwtOf = (subject: string): string =>
  ["{}", JSON.stringify({ sub: subject }), "signature"]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");

const request = async (service: FakeAnswer | "away", openId: FakeAnswer = { status: 200, body: OPEN_ID }) => {
  const homeserver = await start(() => openId);
  const tokenService = await start(() => (service === "away" ? { status: 200, body: {} } : service));
  if (service === "away") await tokenService.close();
  const token = requestSfuToken(createHomeserver({ url: homeserver.url, asToken: "as" }), {
    serviceUrl: tokenService.url,
    roomId: roomId("!room:lab"),
    userId: USER,
    deviceId: deviceId("GW1"),
  });
  return { token, tokenService, homeserver };
};

test("the service is sent exactly what it takes, and its token is checked for the identity", async () => {
  const jwt = jwtOf(`${USER}:GW1`);
  const { token, tokenService } = await request({ status: 200, body: { url: "wss://sfu.lab", jwt } });
  expect(await token).toEqual({ sfuUrl: "wss://sfu.lab", token: jwt, identity: `${USER}:GW1` });
  expect(tokenService.requests).toEqual([
    { method: "POST", path: "/sfu/get", body: { room: "!room:lab", openid_token: OPEN_ID, device_id: "GW1" } },
  ]);
});

test.each<[string, FakeAnswer | "away", object]>([
  [
    "refuses",
    { status: 401, body: { errcode: "M_UNAUTHORIZED", error: "not served here" } },
    { message: expect.stringContaining("401 M_UNAUTHORIZED not served here"), retryable: false },
  ],
  ["fails", { status: 502, body: "<html>bad gateway" }, { retryable: true }],
  ["is overloaded", { status: 429, body: {} }, { retryable: true }],
  ["is away", "away", { retryable: true }],
  ["answers nonsense", { status: 200, body: "no json" }, { retryable: false }],
  ["answers without a token", { status: 200, body: { url: "wss://sfu.lab" } }, { retryable: false }],
  [
    "names another identity",
    { status: 200, body: { url: "wss://sfu.lab", jwt: jwtOf(USER) } },
    { message: expect.stringContaining("another LiveKit identity") },
  ],
  ["gives no JSON Web Token", { status: 200, body: { url: "wss://sfu.lab", jwt: "abc" } }, {}],
])("a service that %s is TOKEN_SERVICE_REFUSED", async (_what, answer, details) => {
  const { token } = await request(answer);
  await expect(token).rejects.toMatchObject({ code: "TOKEN_SERVICE_REFUSED", ...details });
});

test("an error shows neither the OpenID token nor the LiveKit token", async () => {
  const { token } = await request({ status: 200, body: { url: "wss://sfu.lab", jwt: jwtOf("@somebody:else") } });
  const error = await token.catch((thrown: unknown) => thrown);
  expect(String((error as Error).stack)).not.toContain("open-id");
  expect(String((error as Error).stack)).not.toContain(jwtOf("@somebody:else"));
});

test("a homeserver that gives no OpenID token keeps its own code", async () => {
  const { token } = await request({ status: 200, body: {} }, { status: 403, body: { errcode: "M_FORBIDDEN" } });
  await expect(token).rejects.toMatchObject({ code: "HOMESERVER_REFUSED" });
});

const transportsWith = async (answer: FakeAnswer, fallbackServiceUrl?: string, cacheMs?: number) => {
  const homeserver = await start(() => answer);
  return {
    homeserver,
    transports: createTransports({
      homeserver: createHomeserver({ url: homeserver.url, asToken: "as" }),
      ...(fallbackServiceUrl === undefined ? {} : { fallbackServiceUrl }),
      ...(cacheMs === undefined ? {} : { cacheMs }),
    }),
  };
};
const named = {
  rtc_transports: [{ type: "other" }, { type: "livekit", livekit_service_url: "https://rtc.lab/jwt/", extra: 1 }],
};

test("the first LiveKit transport of the homeserver is taken byte for byte and remembered", async () => {
  const { transports, homeserver } = await transportsWith({ status: 200, body: named }, "https://fallback.lab");
  expect(await transports.serviceUrl(USER)).toBe("https://rtc.lab/jwt/");
  expect(await transports.serviceUrl(USER)).toBe("https://rtc.lab/jwt/");
  expect(homeserver.requests).toHaveLength(1);
});

test("it is asked for again after a while", async () => {
  const { transports, homeserver } = await transportsWith({ status: 200, body: named }, undefined, 0);
  await transports.serviceUrl(USER);
  await transports.serviceUrl(USER);
  expect(homeserver.requests).toHaveLength(2);
});

test.each<[string, FakeAnswer]>([
  ["has no such endpoint", { status: 404, body: { errcode: "M_UNRECOGNIZED" } }],
  ["names none", { status: 200, body: {} }],
  ["names others only", { status: 200, body: { rtc_transports: [{ type: "other" }] } }],
  ["answers nonsense", { status: 200, body: { rtc_transports: "livekit" } }],
])("a homeserver that %s leaves it to the configuration", async (_what, answer) => {
  const { transports } = await transportsWith(answer, "https://fallback.lab");
  expect(await transports.serviceUrl(USER)).toBe("https://fallback.lab");
  const without = await transportsWith(answer);
  await expect(without.transports.serviceUrl(USER)).rejects.toMatchObject({
    code: "HOMESERVER_REFUSED",
    message: expect.stringContaining("matrix_rtc.transports"),
  });
});

test("a homeserver that fails is not taken for one without transports", async () => {
  const { transports } = await transportsWith({ status: 500, body: {} }, "https://fallback.lab");
  await expect(transports.serviceUrl(USER)).rejects.toMatchObject({ code: "HOMESERVER_UNAVAILABLE" });
});
