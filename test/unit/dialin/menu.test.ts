import { expect, test } from "@jest/globals";
import {
  type MenuEffect,
  type MenuEvent,
  type MenuSetup,
  type MenuState,
  menuStep,
  newMenu,
} from "../../../src/dialin/menu.ts";
import { roomId } from "../../../src/ids.ts";

const ROOM = roomId("!r:example.org");

/** What matters to the caller, in words. */
const told = (effect: MenuEffect): string | undefined => {
  switch (effect.type) {
    case "play":
      return `play ${effect.prompts.map(({ name, language }) => `${language}:${name}`).join(" ")}`;
    case "stopPlaying":
      return "quiet";
    case "check":
      return `check ${effect.conference} ${effect.pin}`;
    case "dispatch":
      return `dispatch ${effect.roomId} ${effect.language}`;
    case "hangUp":
      return `hang up ${effect.outcome}`;
    case "arm":
    case "cancel":
      return undefined;
  }
};

const walk = (setup: Partial<MenuSetup> = {}) => {
  let state: MenuState = newMenu({ language: "en", ...setup });
  const timers = new Set<string>();
  const send = (event: MenuEvent): string[] => {
    const step = menuStep(state, event);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.type === "arm") timers.add(effect.timer);
      if (effect.type === "cancel") for (const timer of effect.timers) timers.delete(timer);
    }
    return step.effects.flatMap((effect) => told(effect) ?? []);
  };
  return {
    send,
    keys: (keys: string): string[] => Array.from(keys).flatMap((key) => send({ type: "key", key })),
    time: (timer: Extract<MenuEvent, { type: "timer" }>["timer"]): string[] => {
      timers.delete(timer);
      return send({ type: "timer", timer });
    },
    timers: () => [...timers].toSorted(),
    at: () => state.at,
  };
};

test("a caller listens, types room number and PIN, and is in", () => {
  const menu = walk({ language: "fr" });
  expect(menu.send({ type: "started" })).toEqual(["play fr:greeting fr:ask-room"]);
  expect(menu.timers()).toEqual(["menu", "prompt"]);
  expect(menu.send({ type: "played" })).toEqual([]);
  expect(menu.timers()).toEqual(["answer", "menu"]);
  expect(menu.keys("123456#")).toEqual(["play fr:ask-pin"]);
  menu.send({ type: "played" });
  expect(menu.keys("11112222")).toEqual([]);
  expect(menu.timers()).toEqual(["digits", "menu"]);
  expect(menu.keys("#")).toEqual(["check 123456 11112222"]);
  expect(menu.timers()).toEqual(["check", "menu"]);
  expect(menu.send({ type: "right", roomId: ROOM })).toEqual([`dispatch ${ROOM} fr`]);
  expect([menu.at(), menu.timers()]).toEqual(["ended", []]);
});

test("whoever types interrupts what is said", () => {
  const menu = walk();
  menu.send({ type: "started" });
  expect(menu.keys("1")).toEqual(["quiet"]);
  expect(menu.timers()).toEqual(["digits", "menu"]);
  expect(menu.keys("23#4")).toEqual(["play en:ask-pin", "quiet"]);
  // The end of what was interrupted comes too late to matter.
  expect(menu.send({ type: "played" })).toEqual([]);
});

test("all of it at once, room number and PIN without a pause", () => {
  const menu = walk();
  menu.send({ type: "started" });
  expect(menu.keys("123456#11112222#")).toEqual(["quiet", "play en:ask-pin", "quiet", "check 123456 11112222"]);
});

test("entries of known length end by themselves, and a # behind them belongs to them", () => {
  const menu = walk({ roomDigits: 6, pinDigits: 8 });
  menu.send({ type: "started" });
  expect(menu.keys("123456#")).toEqual(["quiet", "play en:ask-pin"]);
  expect(menu.keys("11112222#")).toEqual(["quiet", "check 123456 11112222"]);
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin"]);
  expect(menu.keys("33334444")).toEqual(["quiet", "check 123456 33334444"]);
});

test("a pause ends an entry as # does", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456");
  expect(menu.time("digits")).toEqual(["play en:ask-pin"]);
  menu.keys("11112222");
  expect(menu.time("digits")).toEqual(["check 123456 11112222"]);
});

test("* forgets what was typed, and with nothing typed goes one question back", () => {
  const menu = walk();
  menu.send({ type: "started" });
  expect(menu.keys("99*")).toEqual(["quiet", "play en:ask-room"]);
  expect(menu.keys("123456#")).toEqual(["quiet", "play en:ask-pin"]);
  expect(menu.keys("77*")).toEqual(["quiet", "play en:ask-pin"]);
  expect(menu.keys("*")).toEqual(["play en:ask-room"]);
  expect(menu.keys("654321#1#")).toEqual(["quiet", "play en:ask-pin", "quiet", "check 654321 1"]);
});

test("where the dialled number has a room, only the PIN is asked for, and * does not lead to another room", () => {
  const menu = walk({ conference: "123456" });
  expect(menu.send({ type: "started" })).toEqual(["play en:greeting en:ask-pin"]);
  expect(menu.keys("*")).toEqual(["play en:ask-pin"]);
  expect(menu.keys("1#")).toEqual(["quiet", "check 123456 1"]);
});

test("a language is chosen by key, and the room's own language goes before it", () => {
  const menu = walk({ language: "ask" });
  expect(menu.send({ type: "started" })).toEqual(["play en:choose-language fr:choose-language de:choose-language"]);
  expect(menu.keys("9#*")).toEqual([]);
  expect(menu.keys("3")).toEqual(["play de:greeting de:ask-room"]);
  expect(menu.keys("*")).toEqual(["play en:choose-language fr:choose-language de:choose-language"]);
  expect(menu.keys("2")).toEqual(["play fr:greeting fr:ask-room"]);
  menu.keys("1#1#");
  expect(menu.send({ type: "right", roomId: ROOM, language: "de" })).toEqual([`dispatch ${ROOM} de`]);
});

test("who does not choose a language gets English", () => {
  const menu = walk({ language: "ask" });
  menu.send({ type: "started" });
  menu.send({ type: "played" });
  expect(menu.time("answer")).toEqual(["play en:greeting en:ask-room"]);
});

test("three wrong PINs, whatever the room, and the caller is sent away", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("111111#1#");
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin"]);
  menu.keys("2#");
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin"]);
  menu.keys("*222222#3#");
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:goodbye"]);
  expect(menu.timers()).toEqual(["goodbye"]);
  expect(menu.keys("123456#11112222#")).toEqual([]);
  expect(menu.send({ type: "played" })).toEqual(["hang up wrong-pin"]);
  expect([menu.at(), menu.timers()]).toEqual(["ended", []]);
});

test("three questions without an answer, and the caller is sent away", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.send({ type: "played" });
  expect(menu.time("answer")).toEqual(["play en:ask-room"]);
  expect(menu.keys("#")).toEqual(["play en:ask-room"]);
  menu.send({ type: "played" });
  expect(menu.time("answer")).toEqual(["play en:goodbye"]);
  expect(menu.time("goodbye")).toEqual(["hang up cancelled"]);
});

test("a prompt whose end is never told does not hold the menu up", () => {
  const menu = walk();
  menu.send({ type: "started" });
  expect(menu.time("prompt")).toEqual([]);
  expect(menu.timers()).toEqual(["answer", "menu"]);
});

test("an answer that takes its time is announced once", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456#1#");
  expect(menu.send({ type: "delayed" })).toEqual(["play en:one-moment"]);
  expect(menu.send({ type: "delayed" })).toEqual([]);
  expect(menu.keys("*#1")).toEqual([]);
  expect(menu.send({ type: "played" })).toEqual([]);
  expect(menu.send({ type: "right", roomId: ROOM })).toEqual([`dispatch ${ROOM} en`]);
});

test("the time of the menu is over: a question ends, a check that runs is waited for, and is the last one", () => {
  const asking = walk();
  asking.send({ type: "started" });
  expect(asking.time("menu")).toEqual(["play en:goodbye"]);
  const checking = () => {
    const menu = walk();
    menu.send({ type: "started" });
    menu.keys("123456#1#");
    expect(menu.time("menu")).toEqual([]);
    return menu;
  };
  expect(checking().send({ type: "right", roomId: ROOM })).toEqual([`dispatch ${ROOM} en`]);
  expect(checking().send({ type: "wrong" })).toEqual(["play en:wrong-pin en:goodbye"]);
});

test.each(["failed", "check timer"])("a check that does not work (%s) ends the call as our fault", (how) => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456#1#");
  expect(how === "failed" ? menu.send({ type: "failed" }) : menu.time("check")).toEqual(["play en:goodbye"]);
  expect(menu.send({ type: "right", roomId: ROOM })).toEqual([]);
  expect(menu.send({ type: "played" })).toEqual(["hang up internal"]);
});

test("a flood of keys makes one short entry, and it is not the PIN it begins with", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456#");
  menu.keys("12345678".repeat(500));
  expect(menu.keys("#")).toEqual([`check 123456 ${"12345678".repeat(3).slice(0, 20)}`]);
});

test.each(["A", "D", "!", "", "12", "١", "\u0000"])("what is no key of a phone is ignored: %j", (key) => {
  const menu = walk();
  menu.send({ type: "started" });
  expect(menu.send({ type: "key", key })).toEqual([]);
  expect(menu.timers()).toEqual(["menu", "prompt"]);
});

test("a caller who hangs up leaves nothing behind, in every state", () => {
  for (const keys of ["", "1", "1#", "1#1", "1#1#"]) {
    const menu = walk();
    menu.send({ type: "started" });
    menu.keys(keys);
    expect(menu.send({ type: "hungUp" })).toEqual([]);
    expect([menu.at(), menu.timers()]).toEqual(["ended", []]);
    expect(menu.send({ type: "right", roomId: ROOM })).toEqual([]);
  }
});

test("what is typed while a PIN is checked answers the next question, without a word in between", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456#");
  expect(menu.keys("1111#")).toEqual(["quiet", "check 123456 1111"]);
  expect(menu.keys("22#33")).toEqual([]);
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin", "quiet", "check 123456 22"]);
  expect(menu.keys("44#")).toEqual([]);
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin", "quiet", "check 123456 3344"]);
});

test("what was typed ahead is nobody's answer when the PIN was right, or the last one", () => {
  const menu = walk();
  menu.send({ type: "started" });
  menu.keys("123456#1111#22#");
  expect(menu.send({ type: "right", roomId: ROOM })).toEqual([`dispatch ${ROOM} en`]);
  const last = walk();
  last.send({ type: "started" });
  last.keys("123456#1#2#3#4#");
  for (const pin of ["2", "3"]) expect(last.send({ type: "wrong" }).at(-1)).toBe(`check 123456 ${pin}`);
  expect(last.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:goodbye"]);
  expect(last.timers()).toEqual(["goodbye"]);
});

test("the hash behind a PIN of known length belongs to it, typed ahead or not", () => {
  const menu = walk({ pinDigits: 4 });
  menu.send({ type: "started" });
  menu.keys("123456#");
  menu.keys("1111#2222#");
  expect(menu.send({ type: "wrong" }).at(-1)).toBe("check 123456 2222");
  expect(menu.send({ type: "wrong" })).toEqual(["play en:wrong-pin en:ask-pin"]);
});
