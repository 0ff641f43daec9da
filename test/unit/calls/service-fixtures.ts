import { type CallServiceDeps, createCallService } from "../../../src/calls/call-service.ts";
import type { AddPhone, Subject } from "../../../src/calls/ports.ts";
import type { PersonPort } from "../../../src/calls/person.ts";
import type { Trunk } from "../../../src/calls/trunk.ts";
import { GatewayError } from "../../../src/errors.ts";
import { roomId, trunkId, userId } from "../../../src/ids.ts";
import { canonicalDigits } from "../../../src/numbering/phone-number.ts";
import { createPolicy } from "../../../src/policy/policy.ts";
import { ALICE, createFakeWorld, type FakeWorld, LEG_MEDIA, ROOM } from "../../support/fake-ports.ts";

export const BOB = userId("@bob:example.org");
export const alice: Subject = { kind: "user", userId: ALICE };
export const bob: Subject = { kind: "user", userId: BOB };
export const add: AddPhone = { roomId: ROOM, number: "+33140506070", subject: alice, via: "command" };

export const trunk = (id: string): Trunk => ({
  id: trunkId(id),
  engine: "asterisk",
  routes: [{ class: "national" }, { class: "internal" }],
  dialFormat: "e164",
  callerId: { default: { kind: "anonymous" } },
  inbound: { country: "FR", isTrusted: true, showsExternalCallers: false },
});

export const CHAT = roomId("!chat:example.org");

/** Bob has number 1500 and can be rung. */
export const somePeople = (changes: Partial<PersonPort> = {}): PersonPort => ({
  personOf: (number) => (canonicalDigits(number) === "1500" ? BOB : undefined),
  forwardOf: () => undefined,
  chatWith: async ({ ghost }) => ({ roomId: CHAT, ghost }),
  hasDevice: async () => true,
  missed: () => undefined,
  ...changes,
});

export const setUp = (changes: Partial<CallServiceDeps> = {}, mode: "auto" | "manual" = "auto") => {
  const world = createFakeWorld({ mode });
  const calls = createCallService({
    ...world.ports,
    policy: createPolicy({
      options: { rules: [{ servers: ["example.org"], classes: ["internal", "national"] }], attemptsPerMinute: 50 },
      ownServer: "example.org",
      clock: world.clock,
    }),
    plan: { country: "FR", extensionPatterns: ["1XXX"] },
    trunks: [trunk("first"), trunk("second")],
    dispatchRules: [
      { name: "room", numbers: ["8500"], trunks: [trunkId("first")], destination: { kind: "room", roomId: ROOM } },
    ],
    callerNames: { nameOf: () => undefined, mask: () => "abcdefghijkl" },
    serverName: "example.org",
    people: somePeople(),
    ...changes,
  });
  return { world, calls };
};

export const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
};

/** Lets the call of the last dialled phone come to the answer. */
export const answered = async (world: FakeWorld): Promise<void> => {
  await world.flush();
  world.dialled.at(-1)?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
  world.dialled.at(-1)?.fact({ type: "leg.ringing" });
  await world.flush();
  world.dialled.at(-1)?.fact({ type: "leg.answered" });
  await world.flush();
};

export const CLOSED = { legs: 0, ghosts: 0, memberships: 0, media: 0 };
