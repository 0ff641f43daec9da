import { eventually } from "./scene.ts";

/** A tone of tests is heard when it is this loud (dBFS). */
export const HEARD_DBFS = -22;

export interface Ear {
  /** dBFS of a frequency in the last `ms` of what is heard of a member. */
  level(identity: string, frequencyHz: number, ms: number): Promise<number>;
}

/** Resolves when a member hears a tone of another one. */
export const hears = (ear: Ear, identity: string, frequencyHz: number, timeoutMs = 10_000): Promise<true> =>
  eventually(
    async () => (await ear.level(identity, frequencyHz, 200)) > HEARD_DBFS,
    `hearing ${frequencyHz} Hz of ${identity}`,
    timeoutMs,
  );
