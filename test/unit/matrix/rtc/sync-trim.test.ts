import { expect, test } from "@jest/globals";
import { trimSync } from "../../../../src/matrix/rtc/sync-trim.ts";

const SYNC = "https://example.org/_matrix/client/v3/sync?timeout=0";
const OWN = "@tel_1001:example.org";
const OTHER = "@tel_1002:example.org";
const ALICE = "@alice:example.org";

const member = (user: string) => ({ type: "m.room.member", sender: ALICE, state_key: user, content: {} });
const call = (sender: string, user = sender) => ({
  type: "org.matrix.msc3401.call.member",
  sender,
  state_key: `_${user}_DEVICE_m.call`,
  content: {},
});
const name = { type: "m.room.name", sender: OTHER, state_key: "", content: { name: "x" } };

/** What a ghost's client gets of an answer of the homeserver. */
const through = async (body: string, url = SYNC, status = 200): Promise<Response> =>
  trimSync(
    async () => new Response(body, { status, headers: { "content-type": "application/json" } }),
    (user) => user !== OWN && user.startsWith("@tel_"),
  )(url);

test("members and memberships of other phones are left out of every part, everything else stays", async () => {
  const events = [member(OWN), member(OTHER), member(ALICE), call(OWN), call(OTHER), call(ALICE), name];
  const kept = { events: [member(OWN), member(ALICE), call(OWN), call(ALICE), name] };
  const sync = (part: object) => ({
    next_batch: "s1",
    rooms: {
      join: { "!r": { timeline: { ...part, limited: true }, state: part, "org.matrix.msc4222.state_after": part } },
    },
    to_device: { events: [{ type: "m.room.encrypted" }] },
  });
  const response = await through(JSON.stringify(sync({ events })));
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual(sync(kept));
});

test("what a member writes in the name of a phone is seen", async () => {
  const forged = call(ALICE, OTHER);
  const body = { rooms: { join: { "!r": { timeline: { events: [forged] } } } } };
  expect(await (await through(JSON.stringify(body))).json()).toEqual(body);
});

test("other requests, refusals and answers that are not understood pass unchanged", async () => {
  const body = JSON.stringify({ rooms: { join: { "!r": { timeline: { events: [member(OTHER)] } } } } });
  expect(await (await through(body, "https://example.org/_matrix/client/v3/keys/query")).text()).toBe(body);
  const refused = await through(body, SYNC, 429);
  expect([refused.status, await refused.text()]).toEqual([429, body]);
  for (const odd of ["<html>", '{"rooms":[]}', '{"next_batch":"s1"}']) {
    expect(await (await through(odd)).text()).toBe(odd);
  }
});

test.each([
  [24, 24],
  [25, 50],
  [49, 50],
  [50, 50],
  [60, 60],
])("of %i one-time keys on the homeserver the SDK hears of %i", async (count, told) => {
  const sync = (signed: number) => ({ next_batch: "s1", device_one_time_keys_count: { signed_curve25519: signed } });
  expect(await (await through(JSON.stringify(sync(count)))).json()).toEqual(sync(told));
});
