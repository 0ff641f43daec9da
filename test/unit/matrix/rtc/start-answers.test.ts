import { expect, test } from "@jest/globals";
import { createStartAnswers } from "../../../../src/matrix/rtc/start-answers.ts";

const SERVER = "https://example.org/base";
const VERSIONS = `${SERVER}/_matrix/client/versions?user_id=%40tel_1001%3Aexample.org`;
const VERSIONS_OF_ANOTHER = `${SERVER}/_matrix/client/versions?user_id=%40tel_1002%3Aexample.org`;
const FIVE_MINUTES_MS = 5 * 60_000;

/** A homeserver that gives these answers, one after the other, and the paths that it was asked for. */
const scene = (...statuses: readonly number[]) => {
  const asked: string[] = [];
  let atMs = 0;
  const answers = createStartAnswers(() => atMs);
  const fetchFn = answers.remember(async (input) => {
    const status = statuses[asked.length] ?? 200;
    asked.push(new URL(input).pathname.replace("/base/_matrix/client/", ""));
    return Response.json({ answer: asked.length }, { status });
  });
  const get = async (url: string, init?: RequestInit) => {
    const response = await fetchFn(url, init);
    return { status: response.status, body: await response.json() };
  };
  return { asked, get, pass: (ms: number) => (atMs += ms) };
};

test("what is the same for every ghost is asked once, by those who ask at the same time as well", async () => {
  const { asked, get, pass } = scene();
  const both = await Promise.all([get(VERSIONS), get(VERSIONS_OF_ANOTHER)]);
  pass(FIVE_MINUTES_MS - 1);
  const later = await get(VERSIONS);
  expect([...both, later]).toEqual(Array.from({ length: 3 }, () => ({ status: 200, body: { answer: 1 } })));
  expect(asked).toEqual(["versions"]);
});

test("after five minutes it is asked again: the homeserver may be another one", async () => {
  const { asked, get, pass } = scene();
  await get(VERSIONS);
  pass(FIVE_MINUTES_MS);
  expect((await get(VERSIONS)).body).toEqual({ answer: 2 });
  expect(asked).toHaveLength(2);
});

test("a refusal is told to those who wait for it, and not kept", async () => {
  const { get } = scene(503);
  expect((await Promise.all([get(VERSIONS), get(VERSIONS)])).map(({ status }) => status)).toEqual([503, 503]);
  expect((await get(VERSIONS)).status).toBe(200);
});

test("a homeserver that did not answer is asked again", async () => {
  let tries = 0;
  const fetchFn = createStartAnswers(() => 0).remember(async () => {
    if (tries++ === 0) throw new Error("no answer");
    return Response.json({});
  });
  await expect(fetchFn(VERSIONS)).rejects.toThrow("no answer");
  expect((await fetchFn(VERSIONS)).status).toBe(200);
});

test("a client that gives up does not take the answer from the others", async () => {
  const { get } = scene();
  const givesUp = AbortSignal.abort();
  expect((await Promise.all([get(VERSIONS, { signal: givesUp }), get(VERSIONS)]))[1]?.status).toBe(200);
});

test("push rules and key backup are not asked for", async () => {
  const { asked, get } = scene();
  expect(await get(`${SERVER}/_matrix/client/v3/pushrules/?user_id=x`)).toEqual({ status: 200, body: { global: {} } });
  expect(await get(`${SERVER}/_matrix/client/v3/room_keys/version`)).toMatchObject({
    status: 404,
    body: { errcode: "M_NOT_FOUND" },
  });
  expect(asked).toEqual([]);
});

test("everything else goes to the homeserver", async () => {
  const { asked, get } = scene();
  await get(`${SERVER}/_matrix/client/v3/sync?timeout=0`);
  await get(`${SERVER}/_matrix/client/v3/sync?timeout=0`);
  await get(`${SERVER}/_matrix/client/v3/room_keys/version`, { method: "POST" });
  expect(asked).toEqual(["v3/sync", "v3/sync", "v3/room_keys/version"]);
});
