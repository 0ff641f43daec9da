import { createHash } from "node:crypto";
import { expect, test } from "@jest/globals";
import { AccessToken } from "livekit-server-sdk";

import { createWebhook, type RoomHint } from "../../../../src/sip/livekit-sip/webhook.ts";

const KEYS = { apiKey: "key", apiSecret: "a-secret-that-is-long-enough-for-this" };

const signed = async (body: string, { apiKey, apiSecret } = KEYS): Promise<string> => {
  const token = new AccessToken(apiKey, apiSecret);
  token.sha256 = createHash("sha256").update(body).digest("base64");
  return token.toJwt();
};
const eventOf = (event: string): string => JSON.stringify({ event, room: { name: "mrtc-leg-in_1" } });

test("a phone that is there or gone names its room; other events do not", async () => {
  const hints: RoomHint[] = [];
  const take = createWebhook(KEYS, (hint) => hints.push(hint));
  for (const event of ["room_started", "participant_joined", "track_published", "participant_left"]) {
    await take(eventOf(event), await signed(eventOf(event)));
  }
  expect(hints).toEqual([
    { room: "mrtc-leg-in_1", hasLeft: false },
    { room: "mrtc-leg-in_1", hasLeft: true },
  ]);
});

test("what is not signed with our key, or not as it came, is refused", async () => {
  const hints: RoomHint[] = [];
  const take = createWebhook(KEYS, (hint) => hints.push(hint));
  const body = eventOf("track_published");
  const others = await signed(body, { ...KEYS, apiSecret: "another-secret-that-is-long-enough-too" });
  for (const authorization of ["", "nonsense", others, await signed(`${body} `)]) {
    await expect(take(body, authorization)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  }
  await expect(take("{", await signed("{"))).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  expect(hints).toEqual([]);
});
