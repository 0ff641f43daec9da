import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { AddPhone } from "../../../../src/calls/ports.ts";
import { GatewayError } from "../../../../src/errors.ts";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import { createInvites } from "../../../../src/matrix/appservice/invites.ts";
import { createMembership } from "../../../../src/matrix/appservice/membership.ts";
import { createNamespace } from "../../../../src/matrix/appservice/namespace.ts";
import { createUsers } from "../../../../src/matrix/appservice/users.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../../support/fake-homeserver.ts";
import { createTestLog } from "../../../support/log.ts";
import { createMemoryGhostStore } from "../../../support/matrix/ghost-store.ts";

const GHOST = "@tel_+33140506070:example.org";
const JOIN = "POST /_matrix/client/v3/join/!r:example.org";
const LEAVE = "POST /_matrix/client/v3/rooms/!r:example.org/leave";
const REGISTER = "POST /_matrix/client/v3/register";

let fake: FakeHomeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

interface Options {
  readonly add?: GatewayError;
  readonly authorize?: GatewayError;
  readonly botInRoom?: boolean;
  readonly rejectionsLeft?: number;
  /** The ghost waits for an invite. */
  readonly hasKnocked?: boolean;
}

const make = (options: Options = {}) => {
  const added: AddPhone[] = [];
  const said: string[] = [];
  const noticed: { ghost: string; text: string }[] = [];
  const chats: unknown[] = [];
  let rejectionsLeft = options.rejectionsLeft ?? 10;
  const { log } = createTestLog();
  const homeserver = createHomeserver({ url: fake.url, asToken: "as" });
  const store = createMemoryGhostStore();
  store.setAvatarUrl("mxc://example.org/handset");
  const users = createUsers({ homeserver, store, log });
  const handle = createInvites({
    namespace: createNamespace({ serverName: "example.org", botLocalpart: "phone" }),
    numberPlan: { country: "FR", extensionPatterns: ["1XXX"] },
    policy: {
      isKnownServer: (server) => server !== "stranger.example",
      authorize: () => {
        if (options.authorize !== undefined) throw options.authorize;
      },
    },
    calls: {
      add: async (request) => {
        added.push(request);
        throw options.add ?? new GatewayError("ALREADY_IN_CALL", "nothing is left to do");
      },
      ghostInvited: () => options.hasKnocked === true,
    },
    users,
    membership: createMembership({ homeserver, log, retryDelaysMs: [] }),
    noticeAsGhost: async (ghost, _, text) => {
      noticed.push({ ghost, text });
    },
    onChat: (chat) => void chats.push(chat),
    sayAsBot: async (_, text) => {
      if (options.botInRoom === true) said.push(text);
      return options.botInRoom === true;
    },
    rejectionLimit: { attempt: () => (rejectionsLeft-- > 0 ? 0 : 1000) },
    log,
  });
  return { added, said, noticed, chats, users, handle };
};

const invite = (more: Partial<AppserviceEvent> = {}, content: Record<string, unknown> = {}): AppserviceEvent => ({
  type: "m.room.member",
  eventId: "$1",
  roomId: "!r:example.org",
  sender: "@alice:example.org",
  stateKey: GHOST,
  content: { membership: "invite", ...content },
  ageMs: 0,
  ...more,
});

test("an invite starts a call", async () => {
  const { handle, added } = make();
  await handle(invite());
  expect(added).toEqual([
    {
      roomId: "!r:example.org",
      number: "+33140506070",
      subject: { kind: "user", userId: "@alice:example.org" },
      via: "invite",
    },
  ]);
  expect(fake.asked()).toEqual([]);
});

test.each([
  ["by the bot, for a command", invite({ sender: "@phone:example.org" })],
  ["by another ghost", invite({ sender: "@tel_1001:example.org" })],
  ["of somebody else", invite({ stateKey: "@bob:example.org" })],
  ["of a ghost's namesake elsewhere", invite({ stateKey: "@tel_1001:elsewhere.example" })],
  ["that is a join", invite({}, { membership: "join" })],
  ["that is no member event", invite({ type: "m.room.message" })],
])("nothing happens at an invite %s", async (_, event) => {
  const { handle, added } = make();
  await handle(event);
  expect([added, fake.asked()]).toEqual([[], []]);
});

test("without a live call the ghost says so and leaves", async () => {
  const { handle, noticed } = make({ add: new GatewayError("NO_LIVE_CALL", "There is no call here.") });
  await handle(invite());
  await fake.next(LEAVE);
  const words = "There is no call here. (NO_LIVE_CALL)";
  expect(noticed).toEqual([{ ghost: GHOST, text: words }]);
  expect(fake.seen.at(-1)?.body).toEqual({ reason: words });
});

test.each([
  [
    "is not permitted",
    invite(),
    { add: new GatewayError("NUMBER_NOT_PERMITTED", "No.") },
    /^No\. \(NUMBER_NOT_PERMITTED\)$/,
  ],
  ["is not canonical", invite({ stateKey: "@tel_0140506070:example.org" }), {}, /use @tel_\+33140506070:example.org/],
  ["is no number", invite({ stateKey: "@tel_bob:example.org" }), {}, /\(INVALID_NUMBER\)$/],
  [
    "is not permitted in a direct chat",
    invite({}, { is_direct: true }),
    { authorize: new GatewayError("EMERGENCY_NOT_PERMITTED", "Use a telephone.") },
    /^Use a telephone\. \(EMERGENCY_NOT_PERMITTED\)$/,
  ],
])("an invite that %s is rejected with the reason, without joining", async (_, event, options, reason) => {
  const { handle } = make(options);
  await handle(event);
  await fake.next(LEAVE);
  expect(fake.asked()).toEqual([REGISTER, LEAVE]);
  expect(fake.seen[1]?.body).toEqual({ reason: expect.stringMatching(reason) });
  expect(fake.seen[1]?.query.get("user_id")).toBe(event.stateKey);
});

test("the bot tells the reason as well, where it is in the room", async () => {
  const { handle, said } = make({ add: new GatewayError("NO_ROUTE", "No trunk."), botInRoom: true });
  await handle(invite());
  expect(said).toEqual(["No trunk. (NO_ROUTE)"]);
});

test("rejections are limited", async () => {
  const { handle } = make({ add: new GatewayError("NUMBER_NOT_PERMITTED", "No."), rejectionsLeft: 1 });
  await handle(invite());
  await fake.next(LEAVE);
  await handle(invite());
  expect(fake.asked()).toEqual([REGISTER, LEAVE]);
});

test("a direct chat of a local user is joined and kept", async () => {
  const { handle, added, chats } = make();
  const event = invite({}, { is_direct: true });
  await handle(event);
  expect(fake.asked().at(-1)).toBe(JOIN);
  expect(chats).toEqual([{ room: event.roomId, ghost: event.stateKey, person: event.sender }]);
  expect(added).toEqual([]);
});

test("a direct chat of a permitted user elsewhere is not kept", async () => {
  const { handle, added } = make({ add: new GatewayError("NO_LIVE_CALL", "None.") });
  await handle(invite({ sender: "@bob:partner.example" }, { is_direct: true }));
  await fake.next(LEAVE);
  expect(added).toHaveLength(1);
});

test("a stranger makes no user and gets no word", async () => {
  const { handle, users, added } = make();
  const stranger = { sender: "@eve:stranger.example" };
  await handle(invite(stranger));
  expect(fake.asked()).toEqual([]);

  await users.ensure(GHOST as never, "+33 1 40 50 60 70");
  await handle(invite(stranger));
  await fake.next(LEAVE);
  expect(fake.seen.at(-1)?.body).toEqual({});
  expect(added).toEqual([]);
});

test("the bot comes when a known server invites it", async () => {
  const { handle } = make();
  await handle(invite({ stateKey: "@phone:example.org", sender: "@eve:stranger.example" }));
  expect(fake.asked()).toEqual([]);
  await handle(invite({ stateKey: "@phone:example.org" }));
  expect(fake.asked()).toEqual([JOIN]);
  expect(fake.seen[0]?.query.get("user_id")).toBe("@phone:example.org");
});

test("an invite that answers a knock calls nobody", async () => {
  const { added, noticed, handle } = make({ hasKnocked: true });
  await handle(invite());
  expect([added, noticed]).toEqual([[], []]);
});
