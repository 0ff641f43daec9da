// Calls that a PBX sends us, from the INVITE to the last trace of them.
import { describe, expect, test } from "@jest/globals";
import type { CallRecord, IncomingCall } from "../../../src/calls/ports.ts";
import { GatewayError } from "../../../src/errors.ts";
import { legId, roomId, trunkId } from "../../../src/ids.ts";
import { ALICE, aRoomView, type FakeWorld, LEG_MEDIA, ROOM } from "../../support/fake-ports.ts";
import { add, alice, bob, CLOSED, codeOf, setUp } from "./service-fixtures.ts";

const incoming = (changes: Partial<IncomingCall> = {}): IncomingCall => ({
  legId: legId("in-1"),
  trunkId: trunkId("first"),
  called: "8500",
  caller: { number: "1001", isHidden: false },
  ...changes,
});

const EMPTY = aRoomView({ conference: [] });

const mediaReady = (world: FakeWorld): void =>
  world.accepted.at(-1)?.fact({ type: "leg.mediaReady", media: LEG_MEDIA });

/** A call that is answered. */
const talking = async (room = aRoomView()) => {
  const { world, calls } = setUp();
  world.setRoom(async () => room);
  world.ring(incoming());
  mediaReady(world);
  await world.flush();
  return { world, calls };
};

describe("answering", () => {
  test("it rings at once, and is answered when ghost, track, keys and audio are there", async () => {
    const { world } = setUp({}, "manual");
    world.ring(incoming());
    expect(world.calls.slice(0, 1)).toEqual(["accept"]);
    mediaReady(world);
    const settle = async (name: string): Promise<void> => {
      await world.flush();
      world.pending.find((one) => one.name === name)?.settle(true);
      await world.flush();
    };
    for (const name of ["prepare", "join", "attach", "publish"]) {
      await settle(name);
      expect(world.calls).not.toContain("answer");
    }
    await settle("exchangeKeys");
    expect(world.calls).toContain("answer");
    await settle("answer");
    await settle("bridge");
    expect(world.saved.at(-1)).toMatchObject({ state: "active", direction: "inbound" });
  });

  test("audio that is made ready again while the ghost is on its way is what is attached", async () => {
    const { world } = setUp({}, "manual");
    world.ring(incoming());
    mediaReady(world);
    const again = { ...LEG_MEDIA, url: "ws://127.0.0.1:8088/media/again" };
    world.accepted[0]?.fact({ type: "leg.mediaReady", media: again });
    for (const name of ["prepare", "join"]) {
      await world.flush();
      world.pending.find((one) => one.name === name)?.settle(true);
    }
    await world.flush();
    expect(world.attached).toEqual([again]);
  });

  test("who comes from the menu is in the call without waiting for keys of others", async () => {
    const { world } = setUp();
    world.ring(incoming({ called: "8600", admittedTo: ROOM }));
    mediaReady(world);
    await world.flush();
    expect(world.calls).toContain("bridge");
    expect(world.calls).not.toContain("exchangeKeys");
  });

  test("the call knows who calls, over which trunk", async () => {
    const { world, calls } = await talking();
    expect(calls.inRoom(ROOM)).toMatchObject([
      {
        direction: "inbound",
        state: "active",
        ghost: "@tel_1001:example.org",
        name: "1001",
        subject: { kind: "trunk", trunkId: "first" },
      },
    ]);
    expect(world.prepared[0]?.request).toMatchObject({ inviteFirst: true, displayName: "1001" });
  });

  test("one phone may call twice, and both calls run", async () => {
    const { world, calls } = await talking();
    world.ring(incoming({ legId: legId("in-2") }));
    mediaReady(world);
    await world.flush();
    expect(calls.inRoom(ROOM).map(({ state }) => state)).toEqual(["active", "active"]);
  });

  test("a new call waits until the one before has left the room", async () => {
    const { world } = setUp({}, "manual");
    world.ring(incoming());
    await world.flush();
    world.pending[0]?.settle(true);
    await world.flush();
    world.accepted[0]?.fact({ type: "leg.ended", outcome: "cancelled", cause: {}, tryNextTrunk: false });
    world.ring(incoming({ legId: legId("in-2") }));
    await world.flush();
    expect(world.prepared).toHaveLength(1);
    while (world.pending.length > 0) {
      world.pending[0]?.settle(true);
      await world.flush();
      if (world.prepared.length === 2) break;
    }
    expect(world.saved.find(({ state }) => state === "ended")).toMatchObject({ legId: "in-1" });
    expect(world.prepared).toHaveLength(2);
  });
});

describe("refusing", () => {
  const hangups = async (
    call: IncomingCall,
    room?: () => Promise<ReturnType<typeof aRoomView>>,
    options = {},
  ): Promise<unknown> => {
    const { world } = setUp({ options });
    if (room !== undefined) world.setRoom(room);
    world.ring(call);
    await world.flush();
    expect(world.open()).toEqual(CLOSED);
    expect(world.notices).toEqual([]);
    expect(world.clock.armed()).toBe(0);
    return world.hangups.at(0)?.outcome;
  };

  test("a number that leads nowhere", async () => {
    expect(await hangups(incoming({ called: "8599" }))).toBe("invalid-number");
    expect(await hangups(incoming({ trunkId: trunkId("second") }))).toBe("invalid-number");
    expect(await hangups(incoming({ trunkId: trunkId("unknown") }))).toBe("trunk-failed");
  });

  test.each([
    ["ROOM_NOT_FOUND", "room-unavailable"],
    ["BOT_NOT_IN_ROOM", "room-unavailable"],
    ["HOMESERVER_UNAVAILABLE", "room-unavailable"],
  ] as const)("a room that cannot be seen: %s", async (code, outcome) => {
    expect(await hangups(incoming(), () => Promise.reject(new GatewayError(code, "no")))).toBe(outcome);
  });

  test("a room that does not let the ghost in", async () => {
    expect(await hangups(incoming(), async () => aRoomView({ isBanned: () => true }))).toBe("not-permitted");
    expect(await hangups(incoming(), async () => aRoomView({ botCanInvite: false }))).toBe("room-unavailable");
    const weak = aRoomView({ memberEventPower: { needed: 50, ghost: 0 } });
    expect(await hangups(incoming(), async () => weak)).toBe("room-unavailable");
    const old = aRoomView({ replacedBy: ROOM });
    expect(await hangups(incoming(), async () => old)).toBe("room-unavailable");
  });

  test("one call too many", async () => {
    expect(await hangups(incoming(), undefined, { maxInboundCalls: 0 })).toBe("limit-reached");
  });

  test("a gateway that is being stopped", async () => {
    const { world, calls } = setUp();
    await calls.shutdown(0);
    world.ring(incoming());
    expect(world.hangups).toEqual([{ legId: "in-1", outcome: "shutdown" }]);
  });

  test("a call that does not get ready in 55 s", async () => {
    const { world } = setUp({}, "manual");
    world.ring(incoming());
    await world.flush();
    world.clock.advance(55_000);
    expect(world.hangups).toEqual([{ legId: "in-1", outcome: "room-unavailable" }]);
  });

  test("a caller who gives up while it rings leaves nothing", async () => {
    const { world } = setUp();
    world.ring(incoming());
    await world.flush();
    world.accepted[0]?.fact({ type: "leg.ended", outcome: "cancelled", cause: { q850: 16 }, tryNextTrunk: false });
    await world.flush();
    expect(world.open()).toEqual(CLOSED);
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "cancelled" });
    expect(world.notices.map(({ kind }) => kind)).not.toContain("call-failed");
  });
});

describe("nobody in the call", () => {
  const waiting = async () => {
    const talk = await talking(EMPTY);
    talk.world.prepared[0]?.fact({ type: "rtc.alone" });
    await talk.world.flush();
    return talk;
  };

  test("the phone hears music and the room is told", async () => {
    const { world } = await waiting();
    expect(world.calls).toContain("prompt waiting");
    expect(world.notices).toContainEqual({ kind: "caller-waits", phone: { name: "1001", direction: "inbound" } });
    expect(world.notices.map(({ kind }) => kind)).not.toContain("left-alone");
  });

  test("it is listed as waiting until somebody joins", async () => {
    const { world, calls } = await waiting();
    const [{ callId, answeredAtMs }] = calls.inRoom(ROOM) as [CallRecord];
    expect(calls.waitingPhones(ROOM)).toMatchObject([
      { callId, roomId: ROOM, sinceMs: answeredAtMs, waitsFor: "company" },
    ]);
    world.prepared[0]?.fact({ type: "rtc.accompanied" });
    expect(calls.waitingPhones()).toEqual([]);
  });

  test("who joins ends the music and the waiting; who leaves again leaves it alone", async () => {
    const { world, calls } = await waiting();
    world.prepared[0]?.fact({ type: "rtc.accompanied" });
    expect(world.calls).toContain("stop music");
    world.clock.advance(20 * 60_000);
    expect(calls.inRoom(ROOM)).toHaveLength(1);
    world.prepared[0]?.fact({ type: "rtc.alone" });
    await world.flush();
    expect(world.calls).toContain("prompt alone");
    expect(world.notices.at(-1)).toMatchObject({ kind: "left-alone" });
  });

  test("the music goes on when the media worker was replaced", async () => {
    const { world } = await waiting();
    world.joined[0]?.fact({ type: "media.workerLost" });
    await world.flush();
    expect(world.calls.filter((call) => call === "prompt waiting")).toHaveLength(2);
  });

  test("after ten minutes it is hung up", async () => {
    const { world } = await waiting();
    world.clock.advance(10 * 60_000);
    await world.flush();
    expect(world.saved.at(-1)).toMatchObject({ state: "ended", outcome: "completed" });
    expect(world.open()).toEqual(CLOSED);
  });

  test("a second phone waits with the first, and the room is not told again", async () => {
    const { world } = await talking(aRoomView({ conference: [{ userId: ALICE, isPhone: true }] }));
    world.prepared[0]?.fact({ type: "rtc.alone" });
    await world.flush();
    expect(world.calls).toContain("prompt waiting");
    expect(world.notices.map(({ kind }) => kind)).not.toContain("caller-waits");
  });
});

describe("the room it comes to", () => {
  test("is the newest one that has replaced that of the rule", async () => {
    const { world, calls } = setUp({}, "manual");
    const newest = roomId("!newest:example.org");
    world.follow(ROOM, newest);
    world.ring(incoming());
    expect(calls.inRoom(newest)).toHaveLength(1);
  });

  test.each([
    ["an invite that it has already", { isInvited: true }, {}, false],
    ["everybody may join", {}, { botCanInvite: false, mayJoin: () => true }, false],
    ["the bot, even where everybody may join", {}, { mayJoin: () => true }, true],
  ])("lets it in by %s", async (_, call, room, inviteFirst) => {
    const { world } = setUp();
    world.setRoom(async () => aRoomView(room));
    world.ring(incoming(call));
    await world.flush();
    expect(world.prepared[0]?.request).toMatchObject({ inviteFirst });
  });

  test("can be locked, also for phones that are added", async () => {
    const { world, calls } = setUp();
    await calls.lock({ roomId: ROOM, subject: alice, isLocked: true });
    await expect(codeOf(calls.add(add))).resolves.toBe("ROOM_LOCKED");
    expect(calls.approach(incoming())).toMatchObject({ roomId: ROOM });
    await world.flush();
    expect(calls.atDoor(ROOM)).toMatchObject([{ name: "1001", announcement: "$announcement of 1001" }]);
    expect(calls.waitingPhones()).toMatchObject([{ roomId: ROOM, name: "1001", waitsFor: "moderator" }]);
    expect(calls.waitingPhones(roomId("!other:example.org"))).toEqual([]);
    await calls.shutdown(0);
    expect(calls.approach(incoming({ legId: legId("in-2") }))).toBeUndefined();
  });
});

describe("keys of the phone", () => {
  const press = async (keys: string): Promise<readonly string[]> => {
    const { world } = await talking();
    const before = world.calls.length;
    for (const digit of keys) world.accepted[0]?.fact({ type: "leg.dtmf", digit });
    await world.flush();
    return world.calls.slice(before);
  };

  test.each([
    ["*6", ["mute", "prompt muted"]],
    ["*4", ["volume -4 dB"]],
    ["*5*5*5*5", ["volume 4 dB", "volume 8 dB", "volume 12 dB", "volume 12 dB"]],
    ["*6*6", ["mute", "prompt muted", "unmute", "prompt unmuted"]],
    ["*9", ["raise hand", "prompt hand-raised"]],
    ["*9*9", ["raise hand", "prompt hand-raised", "lower hand", "prompt hand-lowered"]],
    ["*0", ["viewAsGhost", "prompt 1"]],
    ["#", ["prompt help"]],
    ["1234", []],
  ])("%s", async (keys, calls) => {
    expect(await press(keys)).toEqual(calls);
  });

  test("a moderator can mute a phone, and only ask it to unmute", async () => {
    const { world, calls } = await talking(aRoomView({ canKick: (user) => user === ALICE }));
    const [{ callId }] = calls.inRoom(ROOM) as [CallRecord];
    const moderate = (action: "mute" | "unmute", subject = alice) => calls.moderate({ callId, subject, action });
    await expect(codeOf(moderate("mute", bob))).resolves.toBe("UNAUTHORIZED");
    const before = world.calls.length;
    for (const action of ["unmute", "mute", "mute", "unmute"] as const) await moderate(action);
    const heard = world.calls.slice(before).filter((call) => call !== "viewAsGhost");
    expect(heard).toEqual(["mute", "prompt muted", "prompt unmute-requested"]);
    for (const digit of "*6") world.accepted[0]?.fact({ type: "leg.dtmf", digit });
    expect(world.calls.slice(-2)).toEqual(["unmute", "prompt unmuted"]);
  });

  test("a phone that is muted before it is answered comes in muted", async () => {
    const { world, calls } = setUp();
    world.setRoom(async () => aRoomView({ canKick: () => true }));
    world.ring(incoming());
    const [{ callId }] = calls.inRoom(ROOM) as [CallRecord];
    await calls.moderate({ callId, subject: alice, action: "mute" });
    mediaReady(world);
    await world.flush();
    expect(world.calls).toContain("mute");
    expect(world.saved.at(-1)).toMatchObject({ state: "active" });
  });

  test("a muted phone stays muted when its audio comes back", async () => {
    const { world } = await talking();
    for (const digit of "*6") world.accepted[0]?.fact({ type: "leg.dtmf", digit });
    world.joined[0]?.fact({ type: "media.workerLost" });
    await world.flush();
    expect(world.calls.filter((call) => call === "mute")).toHaveLength(2);
  });
});
