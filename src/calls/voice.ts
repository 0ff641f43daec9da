import type { Language } from "../numbering/language.ts";

/** How the gateway speaks to a phone. */
export interface Voice {
  readonly language: Language;
  /** Recordings of the administrator's, `<language>/<name>.wav`, in place of ours. */
  readonly folder?: string;
}

/**
 * What is said to a phone in a call. `alone`: everybody else has left. `waiting`: nobody is there yet; followed by music until `stopMusic`.
 * `ended`: nobody is there any more. `unmute-requested`: a moderator wants to hear the phone. The others answer keys of the phone.
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
] as const;
export type PromptName = (typeof PROMPT_NAMES)[number];
