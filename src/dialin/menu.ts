/**
 * The menu a caller hears, as data: what happens to it, and what follows.
 *
 *   language ──► room ──► pin ──► checking ──► goodbye ──► ended
 *                 ▲  `*`   │▲        │ wrong                  ▲
 *                 └────────┘└────────┘      right: dispatch ──┘
 *
 * Every state has a timer, and all of them together have one, so that every sequence of events ends. Events and effects hold what the caller
 * typed, the PIN included: never log one.
 */
import type { RoomId } from "../ids.ts";
import { type Language, LANGUAGE_KEYS, LANGUAGES } from "../numbering/language.ts";
import type { SpokenPrompt, SpokenPromptName } from "./spoken-prompts.ts";

export interface MenuSetup {
  /** `ask`: by key, in all languages. */
  readonly language: Language | "ask";
  /** Conference of the number that was dialled: only its PIN is asked for. */
  readonly conference?: string;
  /** Length at which an entry ends without `#`; absent: after `#` or a pause. */
  readonly roomDigits?: number;
  readonly pinDigits?: number;
}

/** Wrong PINs per call. */
const PIN_TRIES = 3;
/** Questions that may stay without an answer, in the whole menu. */
const SILENCES = 3;
/** Longer than every room number and PIN; what comes behind it is dropped, and the entry is wrong. */
const MAX_ENTRY_DIGITS = 20;

/** Milliseconds. `answer`: from the end of the question to the first key. `digits`: between keys; then the entry counts as complete. */
export const MENU_TIMEOUTS_MS = {
  answer: 10_000,
  digits: 4000,
  /** Longer than any delay of an answer (pin-defence.ts) and a queue of hashes. */
  check: 120_000,
  goodbye: 15_000,
  /** A prompt whose end was never told. */
  prompt: 30_000,
  menu: 300_000,
} as const;

export type MenuTimer = keyof typeof MENU_TIMEOUTS_MS;

export type MenuEvent =
  | { readonly type: "started" }
  /** One key: `0` to `9`, `*`, `#`; all else is ignored. */
  | { readonly type: "key"; readonly key: string }
  /** All that was played last has been heard. */
  | { readonly type: "played" }
  | { readonly type: "timer"; readonly timer: MenuTimer }
  | { readonly type: "right"; readonly roomId: RoomId; readonly language?: Language }
  | { readonly type: "wrong" }
  /** The answer takes its time. */
  | { readonly type: "delayed" }
  | { readonly type: "failed" }
  | { readonly type: "hungUp" };

/** Outcomes of a call (calls/outcome.ts). `cancelled`: the caller typed nothing; `internal`: a PIN could not be checked. */
export type MenuOutcome = "cancelled" | "wrong-pin" | "internal";

export type MenuEffect =
  /** One after the other, in place of what plays. */
  | { readonly type: "play"; readonly prompts: readonly SpokenPrompt[] }
  | { readonly type: "stopPlaying" }
  /** In place of the one that runs under this name. */
  | { readonly type: "arm"; readonly timer: MenuTimer; readonly afterMs: number }
  | { readonly type: "cancel"; readonly timers: readonly MenuTimer[] }
  | { readonly type: "check"; readonly conference: string; readonly pin: string }
  /** The last effect of a menu that led somewhere: the call goes on without it. */
  | { readonly type: "dispatch"; readonly roomId: RoomId; readonly language: Language }
  | { readonly type: "hangUp"; readonly outcome: MenuOutcome };

type Asking = "language" | "room" | "pin";

export interface MenuState {
  readonly setup: MenuSetup;
  readonly at: "new" | Asking | "checking" | "goodbye" | "ended";
  readonly language: Language;
  /** What was typed since the question. */
  readonly entry: string;
  /** What was typed while a PIN was checked: it answers the next question. */
  readonly ahead: string;
  readonly conference: string;
  readonly playing: boolean;
  /** The entry ended by its length: a `#` that follows at once belongs to it. */
  readonly swallowHash: boolean;
  readonly silences: number;
  readonly wrongPins: number;
  /** The time of the whole menu is over; only the check that runs is waited for. */
  readonly overdue: boolean;
  readonly outcome: MenuOutcome;
}

export interface MenuStep {
  readonly state: MenuState;
  readonly effects: readonly MenuEffect[];
}

export const newMenu = (setup: MenuSetup): MenuState => ({
  setup,
  at: "new",
  language: setup.language === "ask" ? "en" : setup.language,
  entry: "",
  ahead: "",
  conference: setup.conference ?? "",
  playing: false,
  swallowHash: false,
  silences: 0,
  wrongPins: 0,
  overdue: false,
  outcome: "cancelled",
});

const arm = (timer: MenuTimer): MenuEffect => ({ type: "arm", timer, afterMs: MENU_TIMEOUTS_MS[timer] });
const cancel = (...timers: readonly MenuTimer[]): MenuEffect => ({ type: "cancel", timers });
const QUESTION_TIMERS = ["answer", "digits", "prompt"] as const;
const STATE_TIMERS = [...QUESTION_TIMERS, "check", "goodbye"] as const;

const say = (state: MenuState, names: readonly SpokenPromptName[]): MenuEffect => ({
  type: "play",
  prompts: names.map((name) => ({ name, language: state.language })),
});

const stay = (state: MenuState): MenuStep => ({ state, effects: [] });

const QUESTION = { room: "ask-room", pin: "ask-pin" } as const;

/** Asks for something from the beginning; `before` is said first. */
const ask = (state: MenuState, at: Asking, before: readonly SpokenPromptName[] = []): MenuStep => ({
  state: { ...state, at, entry: "", playing: true },
  effects: [
    cancel(...STATE_TIMERS),
    at === "language"
      ? { type: "play", prompts: LANGUAGES.map((language) => ({ name: "choose-language", language })) }
      : say(state, [...before, QUESTION[at]]),
    arm("prompt"),
  ],
});

const goodbye = (state: MenuState, outcome: MenuOutcome, before: readonly SpokenPromptName[] = []): MenuStep => ({
  state: { ...state, at: "goodbye", outcome, playing: true, entry: "" },
  effects: [cancel(...STATE_TIMERS, "menu"), say(state, [...before, "goodbye"]), arm("goodbye")],
});

const end = (state: MenuState, effects: readonly MenuEffect[]): MenuStep => ({
  state: { ...state, at: "ended", entry: "", playing: false },
  effects: [cancel(...STATE_TIMERS, "menu"), ...effects],
});

const begin = (state: MenuState): MenuStep => {
  const next = state.conference === "" ? "room" : "pin";
  const step = state.setup.language === "ask" ? ask(state, "language") : ask(state, next, ["greeting"]);
  return { state: step.state, effects: [arm("menu"), ...step.effects] };
};

/** Nothing useful was typed: the question again, or enough of it. */
const silence = (state: MenuState, at: Asking): MenuStep => {
  const silences = state.silences + 1;
  if (silences >= SILENCES) return goodbye({ ...state, silences }, "cancelled");
  // Who does not choose a language gets the first one.
  if (at === "language") return ask({ ...state, silences }, state.conference === "" ? "room" : "pin", ["greeting"]);
  return ask({ ...state, silences }, at);
};

/** The entry is complete. */
const enter = (state: MenuState, at: "room" | "pin"): MenuStep => {
  if (state.entry === "") return silence(state, at);
  if (at === "room") return ask({ ...state, conference: state.entry }, "pin");
  const { conference, entry: pin } = state;
  return {
    state: { ...state, at: "checking", entry: "", playing: false },
    effects: [cancel(...QUESTION_TIMERS), { type: "check", conference, pin }, arm("check")],
  };
};

const chooseLanguage = (state: MenuState, key: string): MenuStep => {
  const language = LANGUAGE_KEYS[key];
  // Another key stops nobody from listening to the rest of the choice.
  if (language === undefined) return stay(state);
  return ask({ ...state, language }, state.conference === "" ? "room" : "pin", ["greeting"]);
};

/** `*`: what was typed is forgotten; nothing typed: one question back. */
const back = (state: MenuState, at: "room" | "pin"): MenuStep => {
  if (state.entry !== "") return ask(state, at);
  if (at === "pin" && state.setup.conference === undefined) return ask({ ...state, conference: "" }, "room");
  return at === "room" && state.setup.language === "ask" ? ask(state, "language") : ask(state, at);
};

/** Whoever types has heard enough. */
const bargeIn = (state: MenuState): readonly MenuEffect[] =>
  state.playing ? [{ type: "stopPlaying" }, cancel("prompt")] : [];

const digit = (state: MenuState, at: "room" | "pin", key: string): MenuStep => {
  const entry = (state.entry + key).slice(0, MAX_ENTRY_DIGITS);
  const typed: MenuState = { ...state, entry, playing: false };
  const length = at === "room" ? state.setup.roomDigits : state.setup.pinDigits;
  if (entry.length === length) {
    const step = enter(typed, at);
    return {
      state: { ...step.state, swallowHash: true },
      effects: [...bargeIn(state), ...step.effects],
    };
  }
  return { state: typed, effects: [...bargeIn(state), cancel("answer"), arm("digits")] };
};

const press = (given: MenuState, key: string): MenuStep => {
  const state = { ...given, swallowHash: false };
  const { at } = state;
  if (at === "language") return chooseLanguage(state, key);
  if (at === "checking") {
    const isOfThePin = key === "#" && given.swallowHash && state.ahead === "";
    return stay(isOfThePin ? state : { ...state, ahead: (state.ahead + key).slice(0, MAX_ENTRY_DIGITS) });
  }
  if (at !== "room" && at !== "pin") return stay(state);
  if (key === "#") return given.swallowHash && state.entry === "" ? stay(state) : enter(state, at);
  return key === "*" ? back(state, at) : digit(state, at, key);
};

/** Who knows that the PIN was wrong does not wait to be told. */
const typeAhead = (asked: MenuStep, keys: string): MenuStep => {
  let { state } = asked;
  const effects = [...asked.effects];
  for (const key of keys) {
    const step = press(state, key);
    effects.push(...step.effects);
    state = step.state;
  }
  return { state, effects };
};

const wrong = (state: MenuState): MenuStep => {
  const wrongPins = state.wrongPins + 1;
  if (wrongPins >= PIN_TRIES || state.overdue) return goodbye({ ...state, wrongPins }, "wrong-pin", ["wrong-pin"]);
  return typeAhead(ask({ ...state, wrongPins, swallowHash: false, ahead: "" }, "pin", ["wrong-pin"]), state.ahead);
};

const played = (state: MenuState): MenuStep => {
  const heard = { ...state, playing: false };
  if (state.at === "goodbye") return end(state, [{ type: "hangUp", outcome: state.outcome }]);
  if (state.at === "checking" || state.entry !== "") return stay(heard);
  return { state: heard, effects: [cancel("prompt"), arm("answer")] };
};

const isAsking = (at: MenuState["at"]): at is Asking => at === "language" || at === "room" || at === "pin";

const timeOut = (state: MenuState, timer: MenuTimer): MenuStep => {
  switch (timer) {
    case "answer":
      return isAsking(state.at) ? silence(state, state.at) : stay(state);
    case "digits":
      return state.at === "room" || state.at === "pin" ? enter(state, state.at) : stay(state);
    case "prompt":
      return state.playing && isAsking(state.at) ? played(state) : stay(state);
    case "check":
      return state.at === "checking" ? goodbye(state, "internal") : stay(state);
    case "goodbye":
      return state.at === "goodbye" ? played(state) : stay(state);
    case "menu":
      // A PIN that is being checked has a timer of its own: it is not refused because the menu took long.
      return isAsking(state.at) ? goodbye(state, "cancelled") : stay({ ...state, overdue: true });
  }
};

/** What an event does to a menu. What does not fit its state (late, repeated, overtaken) changes nothing. */
export const menuStep = (state: MenuState, event: MenuEvent): MenuStep => {
  if (state.at === "ended") return stay(state);
  if (event.type === "hungUp") return end(state, []);
  if (state.at === "new") return event.type === "started" ? begin(state) : stay(state);
  switch (event.type) {
    case "started":
      return stay(state);
    case "key":
      return /^[0-9*#]$/.test(event.key) ? press(state, event.key) : stay(state);
    case "played":
      return state.playing ? played(state) : stay(state);
    case "timer":
      return timeOut(state, event.timer);
    case "delayed":
      return state.at === "checking" && !state.playing
        ? { state: { ...state, playing: true }, effects: [say(state, ["one-moment"])] }
        : stay(state);
    case "right":
      return state.at === "checking"
        ? end(state, [{ type: "dispatch", roomId: event.roomId, language: event.language ?? state.language }])
        : stay(state);
    case "wrong":
      return state.at === "checking" ? wrong(state) : stay(state);
    case "failed":
      return state.at === "checking" ? goodbye(state, "internal") : stay(state);
  }
};
