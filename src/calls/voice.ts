import type { Language } from "../numbering/language.ts";

/** How the gateway speaks to a phone. */
export interface Voice {
  readonly language: Language;
  /** Recordings of the administrator's, `<language>/<name>.wav`, in place of ours. */
  readonly folder?: string;
}

/** How a phone that was called shows that a person has answered. */
export const CONFIRM = ["none", "key"] as const;
export type Confirm = (typeof CONFIRM)[number];

/**
 * What is said to a phone in a call. `alone`: everybody else has left. `waiting`: nobody is there yet; followed by music until `stopMusic`.
 * `ended`: nobody is there any more. `unmute-requested`: a moderator wants to hear the phone.
 * `invited`: it is to press 1. The others answer keys of the phone.
 */
export const PROMPT_NAMES = [
  "alone",
  "waiting",
  "ended",
  "muted",
  "unmuted",
  "hand-raised",
  "hand-lowered",
  "help",
  "unmute-requested",
  "invited",
] as const;
export type PromptName = (typeof PROMPT_NAMES)[number];
