import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { roomId, userId } from "../../../../src/ids.ts";
import { createMembership } from "../../../../src/matrix/appservice/membership.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { startFakeHomeserver, type FakeHomeserver } from "../../../support/fake-homeserver.ts";
import { createTestLog } from "../../../support/log.ts";

const GHOST = userId("@tel_1001:example.org");
const ROOM = roomId("!r:example.org");
const LEAVE = "POST /_matrix/client/v3/rooms/!r:example.org/leave";

let fake: FakeHomeserver;
beforeEach(async () => {
  fake = await startFakeHomeserver();
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

const make = () => {
  const { log, lines } = createTestLog();
  const homeserver = createHomeserver({ url: fake.url, asToken: "as" });
  return { lines, membership: createMembership({ homeserver, log, retryDelaysMs: [1, 1] }) };
};

test("joins and leaves as the user, with a reason", async () => {
  const { membership } = make();
  await membership.join(GHOST, ROOM);
  await membership.leave(GHOST, ROOM, "why");
  expect(fake.asked()).toEqual(["POST /_matrix/client/v3/join/!r:example.org", LEAVE]);
  expect(fake.seen.map(({ body }) => body)).toEqual([{}, { reason: "why" }]);
  expect(fake.seen.every(({ query }) => query.get("user_id") === GHOST)).toBe(true);
});

test("a refused join says what happened", async () => {
  fake.answer("POST", /join/, { status: 403, body: { errcode: "M_FORBIDDEN", error: "not invited" } });
  await expect(make().membership.join(GHOST, ROOM)).rejects.toMatchObject({
    code: "HOMESERVER_REFUSED",
    message: "The phone may not join !r:example.org: M_FORBIDDEN",
  });
});

test("leaving is tried again while the homeserver is busy, and given up after a few times", async () => {
  fake.answer("POST", /leave/, { status: 502, body: {} });
  const { membership, lines } = make();
  await membership.leave(GHOST, ROOM);
  expect(fake.asked()).toEqual([LEAVE, LEAVE, LEAVE]);
  expect(lines.map(({ level, fields }) => [level, fields["code"]])).toEqual([["warn", "HOMESERVER_UNAVAILABLE"]]);
});

test("who is not in the room has left", async () => {
  fake.answer("POST", /leave/, { status: 403, body: { errcode: "M_FORBIDDEN", error: "not in room" } });
  const { membership, lines } = make();
  await membership.leave(GHOST, ROOM);
  expect(fake.asked()).toEqual([LEAVE]);
  expect(lines).toEqual([]);
});
