import { writeFileSync } from "node:fs";

/**
 * Linux weighs sessions against each other (autogroups, sched(7)), of which each server and each member of the lab is one: the niceness of a
 * process counts only inside its own. 10 and 86 times the share of a session without, as `CPUWeight` of deploy/systemd.
 */
export const SESSION_NICENESS = { carriesAudio: -10, makesAudio: -20 } as const;

/** @param leader of the session; undefined when it could not be started */
export function setSessionNiceness(leader: number | undefined, niceness: number): void {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, String(niceness));
  } catch {
    // Not root, no autogroups, or gone already: the lab works all the same, if the machine has time for it.
  }
}
