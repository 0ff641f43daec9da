import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { deviceId, userId } from "../../../src/ids.ts";
import { deleteDevice, ensureDevice, listDevices, newDeviceId } from "../../../src/matrix/devices.ts";
import { createHomeserver, matrixPath, type Homeserver } from "../../../src/matrix/homeserver.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../support/fake-homeserver.ts";

const GHOST = userId("@tel_+33140506070:example.org");

let fake: FakeHomeserver;
let homeserver: Homeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
  homeserver = createHomeserver({ url: fake.url, asToken: "as-token", requestTimeoutMs: 2000 });
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

test("masquerades as a user on a device", async () => {
  fake.answer("PUT", /x/, { body: { ok: true } });
  const path = `${matrixPath("client/v3", "x", "!r:a/b")}?delay=5`;
  await expect(
    homeserver.request({ method: "PUT", path, body: { a: 1 }, as: { userId: GHOST, deviceId: deviceId("D") } }),
  ).resolves.toEqual({ ok: true });
  const [request] = fake.seen;
  expect(request).toMatchObject({
    path: "/_matrix/client/v3/x/!r:a/b",
    authorization: "Bearer as-token",
    body: { a: 1 },
  });
  expect(Object.fromEntries(request?.query ?? [])).toEqual({ delay: "5", user_id: GHOST, device_id: "D" });
});

test.each([
  [403, { errcode: "M_FORBIDDEN", error: "no" }, "HOMESERVER_REFUSED", false],
  [429, { errcode: "M_LIMIT_EXCEEDED", error: "slower" }, "HOMESERVER_REFUSED", true],
  [502, "<html>bad gateway</html>", "HOMESERVER_UNAVAILABLE", true],
])("an answer %i is an error with code and hint whether to try again", async (status, body, code, retryable) => {
  fake.answer("GET", /profile/, { status, body });
  const path = matrixPath("client/v3", "profile", GHOST);
  await expect(homeserver.request({ method: "GET", path })).rejects.toMatchObject({
    status,
    code,
    retryable,
    message: expect.stringContaining(`profile/%40tel_%2B33*****70%3Aexample.org: ${status}`),
  });
});

test("a homeserver that is away is said to be", async () => {
  const gone = createHomeserver({ url: "http://127.0.0.1:1", asToken: "as" });
  await expect(gone.request({ method: "GET", path: "/" })).rejects.toMatchObject({
    code: "HOMESERVER_UNAVAILABLE",
    retryable: true,
    message: "The homeserver at http://127.0.0.1:1 does not answer",
  });
});

test("devices are made, listed and deleted; one that is gone is deleted", async () => {
  const device = newDeviceId();
  expect(device).toMatch(/^GW[0-9A-F]{10}$/);
  fake.answer("GET", /devices$/, { body: { devices: [{ device_id: device, last_seen_ts: 1 }] } });
  await ensureDevice(homeserver, GHOST, device, "Phone");
  await expect(listDevices(homeserver, GHOST)).resolves.toEqual([device]);
  await deleteDevice(homeserver, GHOST, device);
  fake.answer("DELETE", /devices/, { status: 404, body: { errcode: "M_NOT_FOUND", error: "gone" } });
  await expect(deleteDevice(homeserver, GHOST, device)).resolves.toBeUndefined();
  expect(fake.asked()).toEqual([
    `PUT /_matrix/client/v3/devices/${device}`,
    "GET /_matrix/client/v3/devices",
    `DELETE /_matrix/client/v3/devices/${device}`,
    `DELETE /_matrix/client/v3/devices/${device}`,
  ]);
  fake.answer("DELETE", /devices/, { status: 401, body: { errcode: "M_UNKNOWN_TOKEN", error: "who" } });
  await expect(deleteDevice(homeserver, GHOST, device)).rejects.toMatchObject({ errcode: "M_UNKNOWN_TOKEN" });
});
