import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { userId } from "../../../../src/ids.ts";
import { createUsers } from "../../../../src/matrix/appservice/users.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../../support/fake-homeserver.ts";
import { createTestLog } from "../../../support/log.ts";
import { createMemoryGhostStore } from "../../../support/matrix/ghost-store.ts";

const GHOST = userId("@tel_+33140506070:example.org");
const NAME = "+33 1 40 50 60 70";
const MXC = "mxc://example.org/handset";

let fake: FakeHomeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
  fake.answer("POST", /\/upload$/, { body: { content_uri: MXC } });
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

const make = (store = createMemoryGhostStore()) => ({
  store,
  users: createUsers({
    homeserver: createHomeserver({ url: fake.url, asToken: "as" }),
    store,
    log: createTestLog().log,
  }),
});

test("an unknown ghost is registered and gets its name and picture", async () => {
  const { users, store } = make();
  expect(users.isKnown(GHOST)).toBe(false);
  await users.ensure(GHOST, NAME);
  expect(fake.asked().slice(0, 2)).toEqual(["POST /_matrix/client/v3/register", "POST /_matrix/media/v3/upload"]);
  expect(fake.seen[0]?.body).toEqual({
    type: "m.login.application_service",
    username: "tel_+33140506070",
    inhibit_login: true,
  });
  const profile = fake.seen.filter(({ path }) => path.includes("/profile/"));
  expect(profile.map(({ body }) => body)).toEqual(expect.arrayContaining([{ displayname: NAME }, { avatar_url: MXC }]));
  expect(profile.every(({ query }) => query.get("user_id") === GHOST)).toBe(true);
  expect(store.get(GHOST)).toEqual({ displayName: NAME, avatarUrl: MXC });
  expect(users.isKnown(GHOST)).toBe(true);
});

test("a known ghost costs no request, also after a restart; the picture is uploaded once", async () => {
  const { users, store } = make();
  await users.ensure(GHOST, NAME);
  const before = fake.seen.length;
  await users.ensure(GHOST, NAME);
  await make(store).users.ensure(GHOST, NAME);
  expect(fake.seen).toHaveLength(before);
  await make(store).users.ensure(userId("@tel_1001:example.org"), "1001");
  expect(fake.asked().filter((asked) => asked.endsWith("/upload"))).toHaveLength(1);
});

test("two invites at once register once", async () => {
  const { users } = make();
  await Promise.all([users.ensure(GHOST, NAME), users.ensure(GHOST, NAME)]);
  expect(fake.asked().filter((asked) => asked.endsWith("/register"))).toHaveLength(1);
});

test("a user that exists already is taken over", async () => {
  fake.answer("POST", /\/register$/, { status: 400, body: { errcode: "M_USER_IN_USE", error: "taken" } });
  const { users } = make();
  await users.ensure(GHOST, NAME);
  expect(users.isKnown(GHOST)).toBe(true);
});

test("a name that has changed is written again, nothing else", async () => {
  const { users } = make();
  await users.ensure(GHOST, "old");
  const before = fake.seen.length;
  await users.ensure(GHOST, NAME);
  expect(fake.seen.slice(before).map(({ body }) => body)).toEqual([{ displayname: NAME }]);
});

test("without a picture there are ghosts all the same, and it is not tried for each", async () => {
  fake.answer("POST", /\/upload$/, { status: 413, body: { errcode: "M_TOO_LARGE", error: "too large" } });
  const { users, store } = make();
  await users.ensure(GHOST, NAME);
  await users.ensure(userId("@tel_1001:example.org"), "1001");
  expect(store.get(GHOST)).toEqual({ displayName: NAME });
  expect(fake.asked().filter((asked) => asked.endsWith("/upload"))).toHaveLength(1);
});

test("a homeserver that refuses is an error, and the next try begins anew", async () => {
  fake.answer("POST", /\/register$/, { status: 403, body: { errcode: "M_EXCLUSIVE", error: "not yours" } });
  const { users } = make();
  await expect(users.ensure(GHOST, NAME)).rejects.toMatchObject({ code: "HOMESERVER_REFUSED", errcode: "M_EXCLUSIVE" });
  expect(users.isKnown(GHOST)).toBe(false);
  fake.answer("POST", /\/register$/, { body: {} });
  await expect(users.ensure(GHOST, NAME)).resolves.toBeUndefined();
});
