/** Things that are there once or several times. */
const createCounter = () => {
  const counts = new Map<string, number>();
  return {
    has: (thing: string): boolean => counts.has(thing),
    add(thing: string): void {
      counts.set(thing, (counts.get(thing) ?? 0) + 1);
    },
    remove(thing: string): void {
      const count = counts.get(thing) ?? 0;
      if (count > 1) counts.set(thing, count - 1);
      else counts.delete(thing);
    },
  };
};

/**
 * Who is heard through the SFU: members of the conference, as any of our calls knows them, that are not our own phones. Whoever else has
 * a token can be in the SFU's room and is not heard. Asked for every participant at every change, so it looks nothing through.
 */
export interface Roster {
  readonly wants: (identity: string) => boolean;
  isOurs(identity: string): boolean;
  /** A phone of ours. Its identity stays ours until `departed`: it is not to be heard in its last moment either. */
  arrived(identity: string): void;
  departed(identity: string): void;
  /** The conference's members as this call knows them. */
  setMembers(callId: string, identities: readonly string[]): void;
}

export const createRoster = (): Roster => {
  const ours = createCounter();
  const members = createCounter();
  const membersOf = new Map<string, readonly string[]>();
  return {
    wants: (identity) => members.has(identity) && !ours.has(identity),
    isOurs: (identity) => ours.has(identity),
    arrived: (identity) => ours.add(identity),
    departed: (identity) => ours.remove(identity),
    setMembers(callId, identities) {
      const unique = [...new Set(identities)];
      for (const identity of unique) members.add(identity);
      for (const identity of membersOf.get(callId) ?? []) members.remove(identity);
      if (unique.length > 0) membersOf.set(callId, unique);
      else membersOf.delete(callId);
    },
  };
};
