import type { Language } from "../numbering/language.ts";

/** Highest number that is spoken; more are "more than thirty". */
export const HIGHEST_SPOKEN_NUMBER = 30;

/** What is said to a caller, apart from numbers. One audio file each per language (src/media/prompts/). */
export const SPOKEN_PROMPTS = [
  "greeting",
  "choose-language",
  "ask-room",
  "ask-pin",
  "wrong-pin",
  "one-moment",
  "goodbye",
  "nobody-here",
  "waiting-for-moderator",
  "not-admitted",
  "conference-unavailable",
  "conference-ended",
  "left-alone",
  "muted",
  "unmuted",
  "unmute-requested",
  "hand-raised",
  "hand-lowered",
  "count-one",
  "count-before",
  "count-after",
  "count-many",
  "help",
  "invited-press-1",
  "claim-code",
] as const;

export type SpokenPromptName = (typeof SPOKEN_PROMPTS)[number] | `number-${number}`;

/** Every name for which a language has a file. */
export const spokenPromptNames = (): readonly SpokenPromptName[] => [
  ...SPOKEN_PROMPTS,
  ...Array.from({ length: HIGHEST_SPOKEN_NUMBER - 1 }, (_, index): SpokenPromptName => `number-${index + 2}`),
];

export interface SpokenPrompt {
  readonly name: SpokenPromptName;
  readonly language: Language;
}

/** "There are N people in the call", the caller counted. */
export const countPrompts = (people: number): readonly SpokenPromptName[] => {
  if (people <= 1) return ["count-one"];
  if (people > HIGHEST_SPOKEN_NUMBER) return ["count-many"];
  return ["count-before", `number-${people}`, "count-after"];
};
