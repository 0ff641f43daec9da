import { describe, expect, test } from "@jest/globals";
import { GatewayError } from "../../../src/errors.ts";
import { LEG_MEDIA } from "../../support/fake-ports.ts";
import { add, alice, answered, CLOSED, setUp } from "./service-fixtures.ts";

describe("failures", () => {
  test.each([
    ["prepare", "GHOST_LACKS_POWER", "room-unavailable"],
    ["prepare", "TOKEN_SERVICE_REFUSED", "room-unavailable"],
    ["prepare", "ENCRYPTION_FAILED", "encryption-failed"],
    ["publish", "HOMESERVER_UNAVAILABLE", "room-unavailable"],
    ["join", "SFU_REFUSED", "media-failed"],
    ["attach", "MEDIA_FAILED", "media-failed"],
    ["bridge", "MEDIA_FAILED", "media-failed"],
  ] as const)("%s fails with %s: %s, told once", async (operation, code, outcome) => {
    const { world, calls } = setUp();
    world.failNext(operation, new GatewayError(code, "in words"));
    const { callId: id } = await calls.add(add);
    await answered(world);
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome, cause: { text: "in words" } });
    expect(world.notices.filter(({ kind }) => kind === "call-failed")).toEqual([
      { kind: "call-failed", phone: expect.anything(), outcome, detail: "in words" },
    ]);
    expect(world.open()).toEqual(CLOSED);
  });

  test("the next trunk is tried before an 18x only", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    const unreached = { type: "leg.ended", outcome: "trunk-failed", cause: {}, tryNextTrunk: true } as const;
    world.dialled[0]?.fact(unreached);
    expect(world.dialled.map(({ request }) => request.trunkId)).toEqual(["first", "second"]);
    expect(calls.get(id)?.legId).toBe(world.dialled[1]?.request.legId);
    await answered(world);
    expect(calls.get(id)?.state).toBe("active");
    const { callId: other } = await calls.add({ ...add, number: "1001" });
    world.dialled[2]?.fact({ type: "leg.ringing" });
    world.dialled[2]?.fact(unreached);
    await world.flush();
    expect(world.dialled).toHaveLength(3);
    expect(calls.get(other)).toMatchObject({ state: "ended", outcome: "trunk-failed" });
  });

  test("nobody answers for 60 s", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    world.dialled[0]?.fact({ type: "leg.ringing" });
    world.clock.advance(59_999);
    expect(calls.get(id)?.state).toBe("alerting");
    world.clock.advance(1);
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "no-answer" });
  });

  test("no audio within 10 s of the answer", async () => {
    const { world, calls } = setUp({}, "manual");
    const { callId: id } = await calls.add(add);
    world.dialled[0]?.fact({ type: "leg.answered" });
    world.clock.advance(10_000);
    expect(calls.get(id)).toMatchObject({ state: "ending", outcome: "media-failed" });
  });

  test("a part that cannot be closed does not hold the others up, and is given up after 2 s", async () => {
    const { world, calls } = setUp({}, "manual");
    const { callId: id } = await calls.add(add);
    world.pending[0]?.settle(true);
    await world.flush();
    for (const { settle } of world.pending.slice()) settle(true);
    await world.flush();
    await calls.hangup({ callId: id, subject: alice });
    expect(world.pending.map(({ name }) => name).toSorted()).toEqual(["hangup", "leave", "mediaLeave"]);
    world.pending.find(({ name }) => name === "leave")?.settle(false);
    world.pending.find(({ name }) => name === "mediaLeave")?.settle(true);
    await world.flush();
    expect(calls.get(id)?.state).toBe("ending");
    world.clock.advance(2000);
    expect(calls.get(id)?.state).toBe("ended");
  });
});

describe("a phone that has to press 1", () => {
  const confirming = async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add({ ...add, confirm: "key" });
    await answered(world);
    const press = (digit: string): void => world.dialled[0]?.fact({ type: "leg.dtmf", digit });
    const questions = (): number => world.calls.filter((call) => call === "prompt invited").length;
    return { world, calls, id, press, questions };
  };

  test("is asked, and is in the call when it has", async () => {
    const { world, calls, id, press, questions } = await confirming();
    expect([questions(), world.calls.includes("bridge"), calls.get(id)?.state]).toEqual([1, false, "connecting"]);
    for (const digit of "2#*1") press(digit);
    expect(world.calls).not.toContain("bridge");
    // As long as the time for connecting would have been.
    world.clock.advance(10_000);
    press("1");
    press("1");
    await world.flush();
    expect(world.calls.filter((call) => call === "bridge")).toHaveLength(1);
    expect([questions(), calls.get(id)?.state]).toEqual([2, "active"]);
  });

  test("may do so before it is asked", async () => {
    const { world, calls } = setUp({}, "manual");
    const { callId: id } = await calls.add({ ...add, confirm: "key" });
    world.dialled[0]?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });
    world.dialled[0]?.fact({ type: "leg.answered" });
    world.dialled[0]?.fact({ type: "leg.dtmf", digit: "1" });
    for (let turn = 0; turn < 8; turn += 1) {
      world.pending[0]?.settle(true);
      await world.flush();
    }
    expect(calls.get(id)?.state).toBe("active");
    expect(world.calls).not.toContain("prompt invited");
  });

  test("and does not, is asked three times and hung up: nobody has answered", async () => {
    const { world, calls, id, questions } = await confirming();
    world.clock.advance(26_999);
    expect([questions(), calls.get(id)?.state]).toEqual([3, "connecting"]);
    world.clock.advance(1);
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "no-answer" });
    expect(world.calls).not.toContain("bridge");
    expect([world.open(), world.clock.armed()]).toEqual([CLOSED, 0]);
  });

  test("is not asked once more when its audio has to be brought back", async () => {
    const { world, calls, id, press, questions } = await confirming();
    press("1");
    await world.flush();
    world.joined[0]?.fact({ type: "media.workerLost" });
    await world.flush();
    expect([questions(), calls.get(id)?.state]).toEqual([1, "active"]);
    expect(world.calls.filter((call) => call === "bridge")).toHaveLength(2);
  });

  test("is asked where the configuration says so, unless the request says otherwise", async () => {
    const { world, calls } = setUp({ options: { confirm: "key" } });
    await calls.add(add);
    await answered(world);
    expect(world.calls).not.toContain("bridge");
    await calls.add({ ...add, number: "1001", confirm: "none" });
    await answered(world);
    expect(world.calls).toContain("bridge");
  });
});

describe("while it runs", () => {
  test("left alone, the phones are told and hung up; somebody coming back cancels that", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.prepared[0]?.fact({ type: "rtc.alone" });
    world.prepared[0]?.fact({ type: "rtc.alone" });
    expect(world.calls.filter((call) => call === "prompt alone")).toHaveLength(1);
    expect(world.notices.at(-1)).toMatchObject({ kind: "left-alone", hangupAfterMs: 60_000 });
    world.clock.advance(59_000);
    world.prepared[0]?.fact({ type: "rtc.accompanied" });
    world.clock.advance(3_600_000);
    expect(calls.get(id)?.state).toBe("active");
    world.prepared[0]?.fact({ type: "rtc.alone" });
    world.clock.advance(57_500);
    expect(world.calls).toContain("prompt ended");
    expect(calls.get(id)).toMatchObject({ state: "active" });
    world.clock.advance(2500);
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "completed" });
  });

  test("ends after 4 h", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.clock.advance(4 * 3_600_000);
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "completed" });
  });

  test("a dead media worker is replaced, and hold goes with it", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.dialled[0]?.fact({ type: "leg.held" });
    world.joined[0]?.fact({ type: "media.workerLost" });
    await world.flush();
    expect(calls.get(id)?.state).toBe("active");
    const held = ["hold", "name: on hold"];
    expect(world.calls.slice(6)).toEqual([...held, "renewAccess", "renewMedia", "join", "attach", "bridge", ...held]);
    // A late word about the first session.
    world.joined[0]?.fact({ type: "media.sfuLost", message: "closed" });
    world.clock.advance(60_000);
    await world.flush();
    expect(world.joined).toHaveLength(2);
    expect(calls.get(id)?.state).toBe("active");
  });

  test("after a lost SFU connection the leg stays attached", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.joined[0]?.fact({ type: "media.sfuLost", message: "restarting" });
    await world.flush();
    expect(world.calls.slice(6)).toEqual(["renewAccess", "join", "bridge"]);
    expect(calls.get(id)?.state).toBe("active");
  });

  test("a lost leg connection is renewed when the leg outlives it", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.joined[0]?.fact({ type: "media.legLost", message: "closed" });
    world.clock.advance(250);
    await world.flush();
    expect(world.calls.slice(6)).toEqual(["renewMedia", "attach", "bridge"]);
    expect(calls.get(id)?.state).toBe("active");
    world.joined[0]?.fact({ type: "media.workerLost" });
    await world.flush();
    expect(world.calls.slice(9)).toEqual(["renewAccess", "renewMedia", "join", "attach", "bridge"]);
  });

  test("a leg connection that breaks just before the leg ends is no loss", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    world.joined[0]?.fact({ type: "media.legLost", message: "closed" });
    world.clock.advance(100);
    world.dialled[0]?.fact({ type: "leg.ended", outcome: "completed", cause: { q850: 16 }, tryNextTrunk: false });
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "completed", cause: { q850: 16 } });
    expect(world.calls).not.toContain("renewMedia");
  });

  test("audio that cannot be brought back ends the call within 10 s", async () => {
    const { world, calls } = setUp();
    const { callId: id } = await calls.add(add);
    await answered(world);
    for (let attempt = 0; attempt < 3; attempt += 1) world.failNext("join", new GatewayError("SFU_REFUSED", "away"));
    world.joined[0]?.fact({ type: "media.sfuLost", message: "restarting" });
    for (let second = 0; second < 10; second += 1) {
      await world.flush();
      world.clock.advance(1000);
    }
    await world.flush();
    expect(calls.get(id)).toMatchObject({ state: "ended", outcome: "media-failed" });
    expect(world.calls.filter((call) => call === "renewAccess")).toHaveLength(3);
    expect(world.open()).toEqual(CLOSED);
  });
});
