/** What a phone may ask for with its keys. */
export type KeypadCommand = "mute" | "hand" | "count" | "help" | "quieter" | "louder" | "confirm";

const BEHIND_STAR: Readonly<Record<string, KeypadCommand>> = {
  "4": "quieter",
  "5": "louder",
  "6": "mute",
  "9": "hand",
  "0": "count",
};
const ALONE: Readonly<Record<string, KeypadCommand>> = { "#": "help", "1": "confirm" };
/** A star that nothing follows for this long was a slip. */
const STAR_LASTS_MS = 4000;
/** A key that is stuck, or a robot, must not flood the room with raised hands. */
const MOST_COMMANDS = 10;
const WINDOW_MS = 10_000;

/** Puts keys together to commands: `*4`, `*5`, `*6`, `*9`, `*0`, `#`, and `1` for a phone that is asked. All other keys mean nothing. */
export const createKeypad = (nowMs: () => number) => {
  let starAtMs: number | undefined;
  let recentMs: readonly number[] = [];

  const read = (key: string): KeypadCommand | undefined => {
    if (key === "*") {
      starAtMs = nowMs();
      return undefined;
    }
    const isBehindStar = starAtMs !== undefined && nowMs() - starAtMs <= STAR_LASTS_MS;
    starAtMs = undefined;
    if (isBehindStar) return BEHIND_STAR[key];
    return ALONE[key];
  };

  return {
    /** The command that this key completes; undefined for all other keys, and for more than ten commands in ten seconds. */
    press: (key: string): KeypadCommand | undefined => {
      const command = read(key);
      if (command === undefined) return undefined;
      recentMs = recentMs.filter((atMs) => atMs > nowMs() - WINDOW_MS);
      if (recentMs.length >= MOST_COMMANDS) return undefined;
      recentMs = [...recentMs, nowMs()];
      return command;
    },
  };
};
