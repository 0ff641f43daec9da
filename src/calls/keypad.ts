/** What a phone may ask for with its keys. */
export type KeypadCommand = "mute" | "hand" | "count" | "help";

const BEHIND_STAR: Readonly<Record<string, KeypadCommand>> = { "6": "mute", "9": "hand", "0": "count" };
/** A star that nothing follows for this long was a slip. */
const STAR_LASTS_MS = 4000;

/** Puts keys together to commands: `*6`, `*9`, `*0`, `#`. All other keys mean nothing. */
export const createKeypad = (nowMs: () => number) => {
  let starAtMs: number | undefined;
  return {
    press: (key: string): KeypadCommand | undefined => {
      if (key === "*") {
        starAtMs = nowMs();
        return undefined;
      }
      const isBehindStar = starAtMs !== undefined && nowMs() - starAtMs <= STAR_LASTS_MS;
      starAtMs = undefined;
      if (isBehindStar) return BEHIND_STAR[key];
      return key === "#" ? "help" : undefined;
    },
  };
};
