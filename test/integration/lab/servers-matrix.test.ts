import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { RoomServiceClient } from "livekit-server-sdk";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { livekitRoomName } from "../../../deploy/lab/token-service/identity.ts";

let lab: Lab;

// Two cores may be shared with browsers and compilers; every wait inside has its own, shorter limit.
jest.setTimeout(60_000);

beforeAll(async () => {
  lab = await startLab({ parts: ["token-service"] });
}, 600_000);

afterAll(() => lab?.stop());

async function openIdToken(localpart: string) {
  const user = await lab.homeserver.createUser(localpart);
  const path = `/_matrix/client/v3/user/${encodeURIComponent(user.userId)}/openid/request_token`;
  return { user, token: await lab.homeserver.request("POST", path, { user, body: {} }) };
}

async function post(path: string, body: unknown) {
  const response = await fetch(lab.tokenService.url + path, { method: "POST", body: JSON.stringify(body) });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, string>,
  };
}

/** LiveKit's own verdict on a token: 200 when it may join (the check clients make after a failed connection). */
async function livekitVerdict(jwt: string): Promise<number> {
  const response = await fetch(`${lab.livekit.httpUrl}/rtc/validate?access_token=${jwt}`);
  return response.status;
}

test("Synapse has what calls need: delayed events, transports, sticky events", async () => {
  const alice = await lab.homeserver.createUser("alice", { displayName: "Alice" });
  const { unstable_features: features } = await lab.homeserver.request<{ unstable_features: Record<string, boolean> }>(
    "GET",
    "/_matrix/client/versions",
    { user: alice },
  );
  expect(features).toMatchObject({ "org.matrix.msc4140": true, "org.matrix.msc4354": true });
  const { capabilities } = await lab.homeserver.request<{ capabilities: Record<string, unknown> }>(
    "GET",
    "/_matrix/client/v3/capabilities",
    { user: alice },
  );
  expect(capabilities["org.matrix.msc4140.delayed_events"]).toMatchObject({ max_delay_ms: 86_400_000 });
  await expect(
    lab.homeserver.request("GET", "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", { user: alice }),
  ).resolves.toEqual({ rtc_transports: [{ type: "livekit", livekit_service_url: lab.tokenService.url }] });
});

test("/sfu/get issues a token that LiveKit takes, for a room that now exists", async () => {
  const { user, token } = await openIdToken("bob");
  const answer = await post("/sfu/get", { room: "!one:lab", device_id: user.deviceId, openid_token: token });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  expect(answer.body["url"]).toBe(lab.livekit.wsUrl);
  await expect(livekitVerdict(answer.body["jwt"]!)).resolves.toBe(200);
  await expect(livekitVerdict(`${answer.body["jwt"]}x`)).resolves.toBe(401);
  const rooms = new RoomServiceClient(lab.livekit.httpUrl, lab.livekit.apiKey, lab.livekit.apiSecret);
  const [room] = await rooms.listRooms([livekitRoomName("!one:lab", "m.call#ROOM")]);
  expect(room).toMatchObject({ emptyTimeout: 300, departureTimeout: 20 });
});

test("/get_token checks the claimed user, /sfu/get refuses unknown fields and foreign tokens", async () => {
  const { user, token } = await openIdToken("carol");
  const member = { id: "m1", claimed_user_id: user.userId, claimed_device_id: user.deviceId };
  const request = { room_id: "!two:lab", slot_id: "m.call#ROOM", openid_token: token, member };
  await expect(post("/get_token", request)).resolves.toMatchObject({ status: 200 });
  await expect(
    post("/get_token", { ...request, member: { ...member, claimed_user_id: "@alice:lab" } }),
  ).resolves.toMatchObject({ status: 401, body: { errcode: "M_UNAUTHORIZED" } });
  const sfuGet = { room: "!two:lab", device_id: "D", openid_token: token };
  await expect(post("/sfu/get", { ...sfuGet, colour: "red" })).resolves.toMatchObject({
    status: 400,
    body: { errcode: "M_BAD_JSON" },
  });
  await expect(
    post("/sfu/get", { ...sfuGet, openid_token: { ...token, access_token: "invented" } }),
  ).resolves.toMatchObject({ status: 401 });
  await expect(
    post("/sfu/get", { ...sfuGet, openid_token: { ...token, matrix_server_name: "127.0.0.1:1" } }),
  ).resolves.toMatchObject({ status: 401 });
});

test("an encrypted room with its members joined, where everybody may be in a call", async () => {
  const [dora, erik] = [await lab.homeserver.createUser("dora"), await lab.homeserver.createUser("erik")];
  const roomId = await lab.homeserver.createRoom({ creator: dora, encrypted: true, name: "Room", invite: [erik] });
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
  await expect(lab.homeserver.request("GET", `${path}/state/m.room.encryption`, { user: erik })).resolves.toEqual({
    algorithm: "m.megolm.v1.aes-sha2",
  });
  await expect(
    lab.homeserver.request("PUT", `${path}/state/org.matrix.msc3401.call.member/_erik`, { user: erik, body: {} }),
  ).resolves.toHaveProperty("event_id");
});

test("with the limits as shipped 25 messages at once pass, more than Synapse's default, and 50 do not", async () => {
  await using shipped = await startLab({ parts: ["synapse"], rateLimits: "shipped" });
  const { homeserver } = shipped;
  const user = await homeserver.createUser("fay");
  const roomId = await homeserver.createRoom({ creator: user, encrypted: false, name: "Room" });
  const send = (count: number) =>
    homeserver.request("PUT", `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${count}`, {
      user,
      body: { msgtype: "m.text", body: "hello" },
    });
  for (let count = 0; count < 25; count++) await send(count);
  const more = Promise.all(Array.from({ length: 25 }, (_, count) => send(100 + count)));
  await expect(more).rejects.toMatchObject({ status: 429, errcode: "M_LIMIT_EXCEEDED" });
});
