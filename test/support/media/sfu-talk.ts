import { eventually } from "./scene.ts";
import type { ClientKind, SfuMember } from "./sfu-member.ts";
import type { MemberOptions, SfuRoom } from "./sfu-room.ts";

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

export const TONE_HZ = 610;
export const OTHER_HZ = 930;

/** Alice, made as told, says TONE_HZ, Bob says OTHER_HZ, and they hear each other. */
export const startTalk = async (
  room: SfuRoom,
  kind: ClientKind,
  options: MemberOptions = {},
  other: ClientKind = "light",
): Promise<[alice: SfuMember, bob: SfuMember]> => {
  const alice = await room.member(kind, "alice", options);
  const bob = await room.member(other, "bob");
  await alice.setKey("bob", 0, room.key("bob"));
  await bob.setKey("alice", 0, room.key("alice"));
  await alice.say("alaw", TONE_HZ);
  await bob.say("alaw", OTHER_HZ);
  await hears(alice, "bob", OTHER_HZ);
  await hears(bob, "alice", TONE_HZ);
  return [alice, bob];
};
