import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { userId } from "../../../src/ids.ts";
import { createMatrixHealth } from "../../../src/matrix/health.ts";
import { createHomeserver } from "../../../src/matrix/homeserver.ts";
import { createTransports } from "../../../src/matrix/rtc/transports.ts";
import { type FakeHomeserver, startFakeHomeserver } from "../../support/fake-homeserver.ts";

let fake: FakeHomeserver;

beforeEach(async () => {
  fake = await startFakeHomeserver();
});

afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

const BOT = userId("@phone:example.org");

const make = () => {
  const homeserver = createHomeserver({ url: fake.url, asToken: "as" });
  const transports = createTransports({ homeserver });
  return createMatrixHealth({ homeserver, transports, botUserId: BOT, registrationId: "gateway" });
};

const versions = (features: Record<string, boolean>): void =>
  fake.answer("GET", /versions$/, { body: { versions: ["v1.1", "v1.15"], unstable_features: features } });

/** A token as the token service gives it: only the subject is read. */
const jwtOf = (identity: string): string =>
  ["e30", Buffer.from(JSON.stringify({ sub: identity })).toString("base64url"), "signature"].join(".");

test("a homeserver that does not know the as_token is told apart from one that does", async () => {
  versions({});
  expect(await make().homeserver()).toMatchObject({ ok: true, text: expect.stringContaining("Matrix v1.15") });
  fake.answer("GET", /whoami$/, { status: 401, body: { errcode: "M_UNKNOWN_TOKEN" } });
  expect(await make().homeserver()).toMatchObject({
    ok: false,
    text: expect.stringContaining("M_UNKNOWN_TOKEN"),
    fix: expect.stringContaining("app_service_config_files"),
  });
});

test.each([
  ["off", { "org.matrix.msc4140": false }, {}, false, /no delayed events/],
  ["on, without a limit", { "org.matrix.msc4140": true }, {}, true, /are on/],
  [
    "on, long enough",
    { "org.matrix.msc4140": true },
    { "org.matrix.msc4140.delayed_events": { max_delay_ms: 86_400_000 } },
    true,
    /are on/,
  ],
  [
    "on, too short for a leave",
    { "org.matrix.msc4140": true },
    { "org.matrix.msc4140.delayed_events": { max_delay_ms: 10_000 } },
    false,
    /10000 ms at most/,
  ],
])("delayed events %s", async (_, features, capabilities, ok, text) => {
  versions(features);
  fake.answer("GET", /capabilities$/, { body: { capabilities } });
  expect(await make().delayedEvents()).toMatchObject({ ok, text: expect.stringMatching(text) });
});

test("a ping that does not come back names the listener", async () => {
  fake.answer("POST", /ping$/, { body: { duration_ms: 7 } });
  expect(await make().ping()).toEqual({ ok: true, text: "the homeserver reaches us in 7 ms" });
  fake.answer("POST", /ping$/, { status: 502, body: { errcode: "M_CONNECTION_FAILED", error: "refused" } });
  expect(await make().ping()).toMatchObject({ ok: false, fix: expect.stringContaining("appservice listener") });
});

test("the transport is followed to the SFU", async () => {
  expect(await make().transport()).toMatchObject({ ok: false, fix: expect.stringContaining("matrix_rtc.transports") });

  fake.answer("GET", /rtc\/transports$/, {
    body: { rtc_transports: [{ type: "livekit", livekit_service_url: fake.url }] },
  });
  fake.answer("POST", /openid\/request_token$/, {
    body: { access_token: "t", expires_in: 3600, matrix_server_name: "example.org", token_type: "Bearer" },
  });
  fake.answer("POST", /sfu\/get$/, { status: 403, body: { errcode: "M_FORBIDDEN" } });
  expect(await make().transport()).toMatchObject({ ok: false, text: expect.stringContaining("403 M_FORBIDDEN") });

  const jwt = jwtOf(`${BOT}:CHECK`);
  fake.answer("POST", /sfu\/get$/, { body: { url: fake.url.replace("http", "ws"), jwt } });
  expect(await make().transport()).toMatchObject({ ok: true, text: expect.stringMatching(/SFU ws:.* answers/) });

  fake.answer("POST", /sfu\/get$/, { body: { url: "ws://127.0.0.1:1", jwt } });
  expect(await make().transport()).toMatchObject({
    ok: false,
    text: expect.stringContaining("SFU ws://127.0.0.1:1 does not answer"),
  });
});
