import { describe, expect, test } from "@jest/globals";
import type { IncomingCall, LegFact, LegMedia, SipPort } from "../../src/calls/ports.ts";
import type { DoorAnswer, DoorVisit } from "../../src/calls/door.ts";
import type { PinCheck } from "../../src/dialin/pin-check.ts";
import { GatewayError } from "../../src/errors.ts";
import { legId, roomId, trunkId } from "../../src/ids.ts";
import type { LobbyFact, LobbyPort } from "../../src/media/lobby-port.ts";
import { createMenuDesk } from "../../src/menu-desk.ts";
import { createTestLog } from "../support/log.ts";
import { createManualClock } from "../support/manual-clock.ts";

const ROOM = roomId("!board:example.org");
const LEG = legId("leg-1");
const MEDIA: LegMedia = { kind: "asterisk-websocket", url: "ws://first", codec: "alaw" };
const RENEWED: LegMedia = { ...MEDIA, url: "ws://second" };

const incoming = (called: string, leg = LEG): IncomingCall => ({
  legId: leg,
  trunkId: trunkId("xivo"),
  called,
  caller: { number: "+33612345678", isHidden: false },
});

const flush = () => new Promise((resolve) => setImmediate(resolve));

/** The ports as the desk sees them; what it asks of them is written down. */
const check: PinCheck = async ({ conference, pin }) =>
  conference === "123456" && pin === "11112222" ? { roomId: ROOM } : undefined;

const start = ({
  maxCallers = 10,
  renew = async () => RENEWED,
  approach = (): DoorVisit | undefined => undefined,
} = {}) => {
  const asked: string[] = [];
  const facts = new Map<string, (fact: LegFact) => void>();
  let ring: (call: IncomingCall) => void = () => {};
  let inLobby: ((fact: LobbyFact) => void) | undefined;
  let token = 0;
  const sip: SipPort = {
    onIncoming: (listener) => (ring = listener),
    accept: ({ legId }, onFact) => {
      asked.push(`accept ${legId}`);
      facts.set(legId, onFact);
    },
    answer: async (leg) => void asked.push(`answer ${leg}`),
    dial: () => {},
    hangup: async (leg, outcome) => {
      asked.push(`hangup ${leg} ${outcome}`);
      const onFact = facts.get(leg);
      facts.delete(leg);
      onFact?.({ type: "leg.ended", outcome, cause: {}, tryNextTrunk: false });
    },
    renewMedia: () => renew(),
    press: async () => {},
    transfer: async () => {},
    listLegs: async () => [],
  };
  const lobby: LobbyPort = {
    enter: async (_, media, onFact) => {
      asked.push(`enter ${media.kind === "asterisk-websocket" ? media.url : ""}`);
      inLobby = onFact;
    },
    say: async (_, recordings, given, followedBy) => {
      token = given;
      asked.push(
        `say ${recordings.map(({ language, name, folder }) => `${folder ?? ""}${language}:${name}`).join(" ")}${followedBy === undefined ? "" : ` +${followedBy}`}`,
      );
    },
    leave: async () => void asked.push("leave lobby"),
  };
  const admitted: IncomingCall[] = [];
  const { log, lines } = createTestLog();
  const desk = createMenuDesk({
    sip,
    lobby,
    menuFor: ({ called }) =>
      called === "8600"
        ? { setup: { language: "fr" }, check, promptFolder: "/own/", caller: "+33612345678" }
        : undefined,
    door: { approach },
    maxCallers,
    maxDurationMs: 1000,
    clock: createManualClock(),
    log,
  });
  desk.onIncoming((call) => admitted.push(call));
  return {
    desk,
    asked,
    admitted,
    lines,
    ring: (call: IncomingCall) => ring(call),
    fact: (fact: LegFact, leg = LEG) => facts.get(leg)?.(fact),
    lobbyFact: (fact: LobbyFact) => inLobby?.(fact),
    said: () => inLobby?.({ type: "lobby.said", token }),
    keys: async (keys: string) => {
      for (const digit of keys) facts.get(LEG)?.({ type: "leg.dtmf", digit });
      await flush();
    },
  };
};

const inMenu = async (options: Parameters<typeof start>[0] = {}) => {
  const world = start(options);
  world.ring(incoming("8600"));
  world.fact({ type: "leg.mediaReady", media: MEDIA });
  await flush();
  return world;
};

test("a caller is answered once, however often its audio is made ready", async () => {
  const { asked, fact } = await inMenu();
  fact({ type: "leg.mediaReady", media: RENEWED });
  await flush();
  expect(asked.filter((one) => /^(enter|answer)/.test(one))).toEqual(["enter ws://first", `answer ${LEG}`]);
});

test("keys of a caller who is faster than the answer count", async () => {
  const { admitted, ring, fact, keys } = start();
  ring(incoming("8600"));
  await keys("123");
  fact({ type: "leg.mediaReady", media: MEDIA });
  await flush();
  await keys("456#");
  await keys("11112222#");
  await flush();
  expect(admitted).toHaveLength(1);
});

test("a number without a menu goes straight to the calls, and so do its answer and its end", async () => {
  const { desk, asked, admitted, ring } = start();
  ring(incoming("8500"));
  expect(admitted).toEqual([incoming("8500")]);
  desk.accept({ legId: LEG, maxDurationMs: 5 }, () => {});
  await desk.answer(LEG);
  await desk.hangup(LEG, "completed");
  expect(asked).toEqual([`accept ${LEG}`, `answer ${LEG}`, `hangup ${LEG} completed`]);
});

test("a caller is answered, hears the menu, tells room and PIN, and comes out as a call to that room", async () => {
  const { desk, asked, admitted, keys, said } = await inMenu();
  expect(asked).toEqual([
    `accept ${LEG}`,
    "enter ws://first",
    `answer ${LEG}`,
    "say /own/fr:greeting /own/fr:ask-room",
  ]);
  said();
  await keys("123456#");
  await keys("11112222#");
  await flush();
  expect(asked.slice(4)).toEqual(["say /own/fr:ask-pin", "say ", "leave lobby"]);
  expect(admitted).toEqual([{ ...incoming("8600"), admittedTo: ROOM, language: "fr" }]);

  const facts: LegFact[] = [];
  desk.accept({ legId: LEG, maxDurationMs: 5 }, (fact) => facts.push(fact));
  expect(facts).toEqual([]);
  await flush();
  await desk.answer(LEG);
  await keys("1");
  expect(facts).toEqual([
    { type: "leg.mediaReady", media: RENEWED },
    { type: "leg.answered" },
    { type: "leg.dtmf", digit: "1" },
  ]);
  await desk.hangup(LEG, "completed");
  expect(facts.at(-1)).toMatchObject({ type: "leg.ended", outcome: "completed" });
  // Nothing was accepted or answered twice.
  expect(asked.filter((line) => /^(accept|answer)/.test(line))).toHaveLength(2);
});

test("a # that comes after a complete PIN is not the call's, a later one is", async () => {
  const { desk, keys } = await inMenu();
  await keys("123456#11112222#");
  await flush();
  const heard: LegFact[] = [];
  desk.accept({ legId: LEG, maxDurationMs: 5 }, (fact) => heard.push(fact));
  await flush();
  await keys("##");
  expect(heard.filter(({ type }) => type === "leg.dtmf")).toHaveLength(1);
});

test("three wrong PINs: goodbye, and the call ends so", async () => {
  const { asked, admitted, keys, said } = await inMenu();
  await keys("123456#");
  for (const pin of ["1#", "2#", "3#"]) await keys(pin);
  expect(asked.at(-1)).toBe("say /own/fr:wrong-pin /own/fr:goodbye");
  said();
  await flush();
  expect(asked).toEqual(expect.arrayContaining(["leave lobby", `hangup ${LEG} wrong-pin`]));
  expect(admitted).toEqual([]);
});

test.each(["ringing", "in the menu", "while the PIN is checked"])(
  "a caller who hangs up %s leaves nothing behind",
  async (when) => {
    const world = start();
    world.ring(incoming("8600"));
    if (when !== "ringing") {
      world.fact({ type: "leg.mediaReady", media: MEDIA });
      await flush();
    }
    if (when === "while the PIN is checked") {
      for (const digit of "123456#11112222#") world.fact({ type: "leg.dtmf", digit });
    }
    world.fact({ type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false });
    await flush();
    expect(world.asked).toEqual(expect.arrayContaining(["leave lobby", `hangup ${LEG} completed`]));
    expect(world.admitted).toEqual([]);
  },
);

test("a caller who hangs up between menu and call is told to the call as ended", async () => {
  const { desk, admitted, fact, keys } = await inMenu();
  await keys("123456#11112222#");
  await flush();
  expect(admitted).toHaveLength(1);
  fact({ type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false });
  const facts: LegFact[] = [];
  desk.accept({ legId: LEG, maxDurationMs: 5 }, (one) => facts.push(one));
  await flush();
  expect(facts).toEqual([{ type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false }]);
});

test("an admitted caller whose audio cannot be had again ends as that", async () => {
  const { desk, keys } = await inMenu({
    renew: async () => {
      throw new GatewayError("MEDIA_FAILED", "gone");
    },
  });
  await keys("123456#11112222#");
  await flush();
  const facts: LegFact[] = [];
  desk.accept({ legId: LEG, maxDurationMs: 5 }, (fact) => facts.push(fact));
  await flush();
  expect(facts).toEqual([expect.objectContaining({ type: "leg.ended", outcome: "media-failed" })]);
});

test("audio that is lost in the menu ends the call", async () => {
  const { asked, lobbyFact } = await inMenu();
  lobbyFact({ type: "lobby.lost", message: "the media worker of this call died" });
  await flush();
  expect(asked).toEqual(expect.arrayContaining(["leave lobby", `hangup ${LEG} media-failed`]));
});

test("more callers than fit are refused, and their places are free again afterwards", async () => {
  const { asked, ring, fact } = await inMenu({ maxCallers: 1 });
  ring(incoming("8600", legId("leg-2")));
  expect(asked.at(-1)).toBe("hangup leg-2 limit-reached");
  fact({ type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false });
  ring(incoming("8600", legId("leg-3")));
  expect(asked).toContain("accept leg-3");
});

test("at the end of the gateway menus end, calls that came out of them do not", async () => {
  const { desk, asked, ring, keys } = await inMenu();
  await keys("123456#11112222#");
  await flush();
  ring(incoming("8600", legId("leg-2")));
  await desk.closeMenus();
  expect(asked.filter((line) => line.startsWith("hangup"))).toEqual(["hangup leg-2 shutdown"]);
});

test("the log tells neither number nor PIN", async () => {
  const { lines, keys } = await inMenu();
  await keys("123456#11112222#");
  expect(lines.length).toBeGreaterThan(1);
  expect(JSON.stringify(lines)).not.toMatch(/11112222|33612345678/);
});

describe("the door of the room", () => {
  const withDoor = () => {
    const answer = Promise.withResolvers<DoorAnswer>();
    const left: string[] = [];
    const approach = (): DoorVisit => ({
      roomId: ROOM,
      voice: { language: "de" },
      answer: answer.promise,
      leave: () => left.push("left"),
    });
    return { approach, left, answer: answer.resolve };
  };
  const atDoor = async () => {
    const door = withDoor();
    const world = start({ approach: door.approach });
    world.ring(incoming("8500"));
    world.fact({ type: "leg.mediaReady", media: MEDIA });
    await flush();
    return { ...world, ...door };
  };

  test("a caller who has to wait is answered, told so, and hears music; admitted, it is a call to that room", async () => {
    const { asked, admitted, answer } = await atDoor();
    expect(asked.at(-1)).toBe("say de:waiting-for-moderator +music");
    expect(admitted).toEqual([]);
    answer("invited");
    await flush();
    expect(asked.at(-1)).toBe("leave lobby");
    expect(admitted).toEqual([{ ...incoming("8500"), admittedTo: ROOM, language: "de", isInvited: true }]);
  });

  test("who is refused is told so before the call ends", async () => {
    const { asked, admitted, answer, said } = await atDoor();
    answer("refused");
    await flush();
    expect(asked.at(-1)).toBe("say de:not-admitted de:goodbye");
    said();
    await flush();
    expect(asked.at(-1)).toBe(`hangup ${LEG} not-permitted`);
    expect(admitted).toEqual([]);
  });

  test("who hangs up waits no longer", async () => {
    const { fact, left, answer, admitted } = await atDoor();
    fact({ type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false });
    answer("admitted");
    await flush();
    expect([left, admitted]).toEqual([["left"], []]);
  });

  test("a right PIN leads to the door as well", async () => {
    const { approach, answer } = withDoor();
    const { asked, admitted, keys } = await inMenu({ approach });
    await keys("123456#");
    await keys("11112222#");
    await flush();
    expect(asked.at(-1)).toBe("say de:waiting-for-moderator +music");
    answer("admitted");
    await flush();
    expect(admitted).toEqual([{ ...incoming("8600"), admittedTo: ROOM, language: "de", isInvited: false }]);
  });
});
