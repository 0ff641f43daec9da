import { expect, test } from "@jest/globals";
import type { CallMembership } from "matrix-js-sdk/lib/matrixrtc/index.js";
import { watchOtherSfus } from "../../../../src/matrix/rtc/other-sfu.ts";

const OWN = "https://rtc.example.org/livekit/jwt";

/** What the watch reads of a membership. */
const member = (userId: string, url: string | undefined, createdAtMs = 1): CallMembership =>
  ({
    userId,
    createdTs: () => createdAtMs,
    getTransport: () => (url === undefined ? undefined : { type: "livekit", livekit_service_url: url }),
  }) as unknown as CallMembership;

test("members on another SFU are told once, by the letters of their URL", () => {
  const told: string[] = [];
  const watch = watchOtherSfus({ ownServiceUrl: OWN, onMember: (user) => told.push(user) });
  watch([]);
  const members = [
    member("@near:example.org", OWN),
    member("@far:elsewhere.example", "https://rtc.elsewhere.example"),
    member("@slash:example.org", `${OWN}/`),
    member("@silent:example.org", undefined),
  ];
  watch(members);
  watch(members);
  expect(told).toEqual(["@far:elsewhere.example", "@slash:example.org"]);
});
