/** Languages that prompts are shipped in. */
export const LANGUAGES = ["en", "fr", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

export const isLanguage = (value: string): value is Language => (LANGUAGES as readonly string[]).includes(value);

/** Key for each language where the caller is asked; the prompt `choose-language` of each language names it. */
export const LANGUAGE_KEYS: Readonly<Record<string, Language>> = { "1": "en", "2": "fr", "3": "de" };

/** Countries where nearly everybody understands one of the languages. */
export const DEFAULT_PREFIX_LANGUAGES: Readonly<Record<string, Language>> = {
  "+1": "en",
  "+33": "fr",
  "+43": "de",
  "+44": "en",
  "+49": "de",
  "+353": "en",
  "+377": "fr",
};

export interface LanguageRules<Otherwise extends Language | "ask" = Language | "ask"> {
  /** Language of the trunk or of the menu. `ask`: the caller chooses by key where the number does not tell. */
  readonly trunk?: Otherwise;
  /** Beginnings of E.164 numbers; the longest one that fits decides. */
  readonly prefixes?: Readonly<Record<string, Language>>;
}

/** Language for a caller: what the number tells, else what the trunk says, else English. An extension or no number tells nothing. */
export const languageFor = <Otherwise extends Language | "ask" = Language>(
  caller: string | undefined,
  rules: LanguageRules<Otherwise>,
): Language | Otherwise => {
  const prefixes = rules.prefixes ?? DEFAULT_PREFIX_LANGUAGES;
  const longest = Object.keys(prefixes)
    .filter((prefix) => caller?.startsWith(prefix) === true)
    .toSorted((one, other) => other.length - one.length)[0];
  return (longest === undefined ? undefined : prefixes[longest]) ?? rules.trunk ?? "en";
};
