import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { LegFact } from "../../../../src/calls/ports.ts";
import { legId } from "../../../../src/ids.ts";
import { createLegMedia } from "../../../../src/sip/asterisk/leg-media.ts";
import type { LegResources } from "../../../../src/sip/asterisk/leg-resources.ts";
import { createTestLog } from "../../../support/log.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Media of a leg for which no worker comes. */
const waitingMedia = () => {
  const told: LegFact[] = [];
  let made = 0;
  const addMedia: LegResources["addMedia"] = async () => {
    made += 1;
    return { kind: "asterisk-websocket", url: `ws://127.0.0.1/media/${made}`, codec: "alaw" };
  };
  const media = createLegMedia({
    legId: legId("leg"),
    resources: { addMedia, renewMedia: addMedia } as LegResources,
    log: createTestLog().log,
    isEnding: () => false,
    tell: (fact) => told.push(fact),
    unusedLimitMs: 1000,
  });
  return { media, told, made: () => made };
};

test("audio that waits is made again and again", async () => {
  const { media, told, made } = waitingMedia();
  await media.offer();
  await jest.advanceTimersByTimeAsync(2500);
  expect(made()).toBe(3);
  expect(told.map(({ type }) => type)).toEqual(Array.from({ length: 3 }, () => "leg.mediaReady"));
});

test("none is made once nobody will come for it, as when the engine is closed", async () => {
  const { media, told, made } = waitingMedia();
  await media.offer();
  media.withdraw();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(made()).toBe(1);
  // One that was being made when it was withdrawn is told to nobody, and is the last; as one that was asked for anew.
  const offering = media.offer();
  media.withdraw();
  await offering;
  await jest.advanceTimersByTimeAsync(60_000);
  expect(made()).toBe(2);
  expect(told).toHaveLength(1);
  const renewing = media.renew();
  media.withdraw();
  await renewing;
  await jest.advanceTimersByTimeAsync(60_000);
  expect(made()).toBe(3);
});
