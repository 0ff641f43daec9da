import { toGatewayError } from "../errors.ts";
import type { RoomId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../clock.ts";
import type { Language } from "../numbering/language.ts";
import {
  type MenuEffect,
  type MenuEvent,
  type MenuOutcome,
  type MenuSetup,
  menuStep,
  type MenuTimer,
  newMenu,
} from "./menu.ts";
import type { PinCheck } from "./pin-check.ts";
import type { SpokenPrompt } from "./spoken-prompts.ts";

/** What a running menu does to its call. */
export interface MenuPorts {
  /** Plays one after the other, in place of what plays; an empty list is silence. The end is told by `played(token)`, with this token. */
  play(prompts: readonly SpokenPrompt[], token: number): void;
  /** The menu is over and the call goes to this room. */
  dispatch(room: RoomId, language: Language): void;
  /** The menu is over and the call ends. */
  hangUp(outcome: MenuOutcome): void;
}

export interface MenuRunDeps {
  readonly setup: MenuSetup;
  /** What tells callers apart; undefined for those without a number. */
  readonly caller: string | undefined;
  readonly ports: MenuPorts;
  readonly check: PinCheck;
  readonly clock: Clock;
  readonly log: Log;
}

/** The menu of one call. After its end everything is ignored. */
export interface MenuRun {
  /** A key of the phone. Floods cost nothing: an entry has an end. */
  key(key: string): void;
  /** What was played under this token has been heard to its end. */
  played(token: number): void;
  /** The caller has hung up, or the gateway ends the call. */
  hungUp(): void;
}

/** Starts the menu of a call that was answered. */
export const runMenu = ({ setup, caller, ports, check, clock, log }: MenuRunDeps): MenuRun => {
  let state = newMenu(setup);
  let token = 0;
  const timers = new Map<MenuTimer, () => void>();
  const disarm = (timer: MenuTimer): void => {
    timers.get(timer)?.();
    timers.delete(timer);
  };

  const ask = async (conference: string, pin: string): Promise<MenuEvent> => {
    try {
      const admission = await check({ conference, pin, caller, onDelay: () => post({ type: "delayed" }) });
      return admission === undefined ? { type: "wrong" } : { type: "right", ...admission };
    } catch (thrown) {
      log.error({ code: toGatewayError(thrown).code }, "a PIN could not be checked");
      return { type: "failed" };
    }
  };

  const run = (effect: MenuEffect): void => {
    switch (effect.type) {
      case "play":
        return ports.play(effect.prompts, ++token);
      case "stopPlaying":
        return ports.play([], ++token);
      case "arm":
        disarm(effect.timer);
        timers.set(
          effect.timer,
          clock.after(effect.afterMs, () => {
            timers.delete(effect.timer);
            post({ type: "timer", timer: effect.timer });
          }),
        );
        return;
      case "cancel":
        return effect.timers.forEach(disarm);
      case "check":
        return void ask(effect.conference, effect.pin).then(post);
      case "dispatch":
        return ports.dispatch(effect.roomId, effect.language);
      case "hangUp":
        log.info({ outcome: effect.outcome }, "the menu led nowhere");
        return ports.hangUp(effect.outcome);
    }
  };

  const post = (event: MenuEvent): void => {
    const step = menuStep(state, event);
    state = step.state;
    for (const effect of step.effects) run(effect);
  };

  post({ type: "started" });
  return {
    key: (key) => post({ type: "key", key }),
    played: (heard) => {
      if (heard === token) post({ type: "played" });
    },
    hungUp: () => post({ type: "hungUp" }),
  };
};
