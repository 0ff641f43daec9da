import { afterAll, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import type { LabHomeserver, LabUser } from "../../../deploy/lab/homeserver.ts";
import { GatewayError } from "../../../src/errors.ts";
import { roomId } from "../../../src/ids.ts";
import { matrixPath } from "../../../src/matrix/homeserver.ts";
import { HS_TOKEN, startAppserviceLab, type AppserviceLab } from "../../support/matrix/appservice-lab.ts";
import { startMember } from "../../support/matrix/member.ts";

const NO_CALL = new GatewayError("NO_LIVE_CALL", "There is no call in this room.");

// Real servers, on a machine that may be busy.
jest.setTimeout(60_000);

let world: AppserviceLab;
let alice: LabUser;
let mallory: LabUser;

beforeAll(async () => {
  world = await startAppserviceLab();
  alice = await world.lab.homeserver.createUser("alice", { displayName: "Alice" });
  mallory = await world.lab.homeserver.createUser("mallory", { displayName: "Mallory" });
}, 600_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  world.calls.running = [];
});

const newRoom = (creator: LabUser, more: { encrypted?: boolean; invite?: LabUser[] } = {}): Promise<string> =>
  world.lab.homeserver.createRoom({ creator, encrypted: false, name: "Room", ...more });

/** The first event of a room that fits, as a member syncs it. */
const nextEvent = async (
  room: string,
  by: LabUser,
  fits: (event: { type: string; sender: string; state_key?: string; content: Record<string, unknown> }) => boolean,
  homeserver: LabHomeserver = world.lab.homeserver,
): Promise<{ content: Record<string, unknown> }> => {
  const filter = JSON.stringify({ room: { rooms: [room], timeline: { limit: 100 }, state: { not_types: ["*"] } } });
  let since: string | undefined;
  for (;;) {
    const query = new URLSearchParams({ filter, timeout: "20000", ...(since === undefined ? {} : { since }) });
    const answer = await homeserver.request<{
      next_batch: string;
      rooms?: { join?: Record<string, { timeline: { events: Parameters<typeof fits>[0][] } }> };
    }>("GET", `/_matrix/client/v3/sync?${query.toString()}`, { user: by });
    const found = answer.rooms?.join?.[room]?.timeline.events.find((event) => fits(event));
    if (found !== undefined) return found;
    since = answer.next_batch;
  }
};

const nextMembership = async (room: string, user: string, membership: string): Promise<Record<string, unknown>> => {
  const fits = (event: { type: string; state_key?: string; content: Record<string, unknown> }): boolean =>
    event.type === "m.room.member" && event.state_key === user && event.content["membership"] === membership;
  return (await nextEvent(room, alice, fits)).content;
};

const inviteDirect = async (ghost: string, by: LabUser): Promise<string> => {
  const { room_id: room } = await world.lab.homeserver.request<{ room_id: string }>(
    "POST",
    "/_matrix/client/v3/createRoom",
    {
      body: { preset: "trusted_private_chat", is_direct: true, invite: [ghost] },
      user: by,
    },
  );
  return room;
};

test("Synapse reaches the gateway: ping", async () => {
  const answer = await world.homeserver.request({
    method: "POST",
    path: "/_matrix/client/v1/appservice/matrixrtc-sip-gateway/ping",
    body: {},
  });
  expect(answer).toEqual({ duration_ms: expect.any(Number) });
});

test("an invite asks for the user, then starts a call in the inviter's name", async () => {
  const room = await newRoom(alice);
  const ghost = world.ghost("+33140506070");
  await world.invite(room, ghost, alice);
  await expect(world.calls.added.next("call", (call) => call.roomId === room)).resolves.toEqual({
    roomId: room,
    number: "+33140506070",
    subject: { kind: "user", userId: alice.userId },
    via: "invite",
  });
  const query = await world.requests.next("user query", ({ path }) => path.includes("/users/"));
  expect(query).toEqual({ path: `/_matrix/app/v1/users/${encodeURIComponent(ghost)}`, status: 200 });
});

test("the ghost of a call has the number as its name, and the handset", async () => {
  const room = roomId(await newRoom(alice));
  const ghost = world.ghost("+33140506071");
  await world.invite(room, ghost, alice);
  const view = await world.appservice.rooms.viewAsGhost(room, ghost);
  expect(view).toMatchObject({ conference: [], encrypted: false, botJoined: false, botCanInvite: false });
  await expect(world.memberOf(room, ghost, alice)).resolves.toMatchObject({
    membership: "join",
    displayname: "+33 1 40 50 60 71",
    avatar_url: expect.stringMatching(/^mxc:\/\//),
  });
});

test.each([false, true])(
  "a ghost sees a call (sticky: %s) in a plain room without the bot",
  async (sticky) => {
    const room = roomId(await newRoom(alice));
    await using member = await startMember(world.lab.homeserver.url, "http://127.0.0.1:1", alice);
    await member.join(room, { sticky });
    const ghost = world.ghost("1001");
    await world.invite(room, ghost, alice);
    const view = await world.appservice.rooms.viewAsGhost(room, ghost);
    expect(view.conference).toEqual([{ userId: alice.userId, isPhone: false }]);
  },
  15_000,
);

test("an encrypted sticky call that nobody of us can read is called so", async () => {
  const room = roomId(await newRoom(alice, { encrypted: true }));
  await using member = await startMember(world.lab.homeserver.url, "http://127.0.0.1:1", alice);
  await member.join(room, { sticky: true });
  const ghost = world.ghost("1001");
  await world.invite(room, ghost, alice);
  await expect(world.appservice.rooms.viewAsGhost(room, ghost)).rejects.toMatchObject({
    code: "NO_LIVE_CALL",
    message: expect.stringContaining("cannot be decrypted"),
  });
  expect(world.unreadable.all.at(-1)).toEqual({ room, count: 1 });
});

test("without a live call the ghost says so and leaves", async () => {
  const { answer } = world.calls;
  world.calls.answer = async () => {
    throw NO_CALL;
  };
  try {
    const room = await newRoom(alice);
    const ghost = world.ghost("+33140506072");
    await world.invite(room, ghost, alice);
    const left = await nextMembership(room, ghost, "leave");
    expect(left).toMatchObject({ reason: "There is no call in this room. (NO_LIVE_CALL)" });
    const notice = await nextEvent(room, alice, (event) => event.type === "m.room.message" && event.sender === ghost);
    expect(notice.content).toEqual({ msgtype: "m.notice", body: "There is no call in this room. (NO_LIVE_CALL)" });
  } finally {
    world.calls.answer = answer;
  }
});

test.each([
  ["another way to write a number", "0140506070", /use @tel_\+33140506070:.*\(NUMBER_NOT_CANONICAL\)$/],
  ["no number", "hello", /\(INVALID_NUMBER\)$/],
])("a ghost id that is %s is refused with the reason", async (_, digits, reason) => {
  const room = await newRoom(alice);
  await world.invite(room, world.ghost(digits), alice);
  const left = await nextMembership(room, world.ghost(digits), "leave");
  expect(left["reason"]).toMatch(reason);
  expect(world.calls.added.all.filter((call) => call.roomId === room)).toEqual([]);
});

test("a local user without permission is refused with the reason; the ghost never joins", async () => {
  const { answer } = world.calls;
  world.calls.answer = async () => {
    throw new GatewayError("NUMBER_NOT_PERMITTED", "You may not call this number.");
  };
  try {
    const room = await newRoom(mallory, { invite: [alice] });
    const ghost = world.ghost("+33140506073");
    await world.invite(room, ghost, mallory);
    const left = await nextMembership(room, ghost, "leave");
    expect(left["reason"]).toBe("You may not call this number. (NUMBER_NOT_PERMITTED)");
  } finally {
    world.calls.answer = answer;
  }
});

test("a direct chat of a permitted user is accepted and kept, without a call", async () => {
  const ghost = world.ghost("1002");
  const room = await inviteDirect(ghost, alice);
  await expect(nextMembership(room, ghost, "join")).resolves.toMatchObject({ displayname: "1002" });
  expect(world.calls.added.all.filter((call) => call.roomId === room)).toEqual([]);
});

test("a direct chat of somebody else is refused with the reason", async () => {
  const ghost = world.ghost("1003");
  const room = await inviteDirect(ghost, mallory);
  const fits = (event: { state_key?: string; content: Record<string, unknown> }): boolean =>
    event.state_key === ghost && event.content["membership"] === "leave";
  const left = await nextEvent(room, mallory, fits);
  expect(left.content["reason"]).toMatch(/\(NUMBER_NOT_PERMITTED\)$/);
});

test.each(["kick", "ban"])("a %s of the ghost reaches the calls", async (how) => {
  const room = await newRoom(alice);
  const ghost = world.ghost("1004");
  await world.invite(room, ghost, alice);
  await world.appservice.rooms.viewAsGhost(roomId(room), ghost);
  await world.lab.homeserver.request("POST", matrixPath("client/v3", "rooms", room, how), {
    body: { user_id: ghost },
    user: alice,
  });
  await expect(world.calls.removed.next(how, (removed) => removed.room === room)).resolves.toEqual({
    room,
    ghost,
    reason: how === "kick" ? "kicked" : "banned",
  });
});

test("a room upgrade reaches the calls of the room", async () => {
  const room = await newRoom(alice);
  const ghost = world.ghost("1005");
  await world.invite(room, ghost, alice);
  await world.calls.added.next("call", (call) => call.roomId === room);
  await world.appservice.rooms.viewAsGhost(roomId(room), ghost);
  await world.lab.homeserver.request("POST", matrixPath("client/v3", "rooms", room, "upgrade"), {
    body: { new_version: "11" },
    user: alice,
  });
  await expect(world.calls.removed.next("upgrade", (removed) => removed.room === room)).resolves.toEqual({
    room,
    ghost,
    reason: "upgraded",
  });
});

test("transactions are taken once, by id, and only with the token", async () => {
  const room = roomId("!nowhere:example.org");
  const put = async (token: string, id: string, digits: string): Promise<number> => {
    const invite = {
      type: "m.room.member",
      event_id: "$1",
      room_id: room,
      sender: alice.userId,
      state_key: world.ghost(digits),
      content: { membership: "invite" },
    };
    const answer = await fetch(`${world.url}/_matrix/app/v1/transactions/${id}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ events: [{ type: "broken" }, invite] }),
    });
    return answer.status;
  };
  expect(await put("wrong", "t1", "1006")).toBe(403);
  expect(await put(HS_TOKEN, "t1", "1007")).toBe(200);
  expect(await put(HS_TOKEN, "t1", "1008")).toBe(200);
  expect(await put(HS_TOKEN, "t2", "1009")).toBe(200);
  // Events of one room are handled in order, so nothing of the others is still to come.
  await world.calls.added.next("last call", (call) => call.number === "1009");
  const numbers = world.calls.added.all.filter((call) => call.roomId === room).map((call) => call.number);
  expect(numbers).toEqual(["1007", "1009"]);
});

test("an inviter of a server that the policy does not name gets no word and no user", async () => {
  const other: Lab = await startLab({ parts: ["synapse"] });
  try {
    const carol = await other.homeserver.createUser("carol");
    const room = await other.homeserver.createRoom({ creator: carol, encrypted: false, name: "Elsewhere" });
    const invite = async (ghost: string): Promise<void> => {
      await other.homeserver.request("POST", matrixPath("client/v3", "rooms", room, "invite"), {
        body: { user_id: ghost },
        user: carol,
      });
    };
    const [unknown, known] = [world.ghost("+33140506079"), world.ghost("+33140506080")];
    await world.appservice.users.ensure(known, "+33 1 40 50 60 80");
    await invite(unknown);
    await invite(known);
    const left = await nextEvent(
      room,
      carol,
      (event) => event.state_key === known && event.content["membership"] === "leave",
      other.homeserver,
    );
    expect(left.content["reason"]).toBeUndefined();
    const profile = world.lab.homeserver.request("GET", matrixPath("client/v3", "profile", unknown), { user: alice });
    await expect(profile).rejects.toMatchObject({ status: 404 });
    expect(world.calls.added.all.filter((call) => call.roomId === room)).toEqual([]);
  } finally {
    await other.stop();
  }
});
