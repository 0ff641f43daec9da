import type { LabMember } from "./member/member.ts";

/** What a phone types to get into a room. */
export interface DialIn {
  readonly id: string;
  readonly pin: string;
}

/** Gives the room a room number and a PIN, as a moderator does, and reads them in the bot's answer. */
export async function turnOnDialIn(member: LabMember, botUserId: string): Promise<DialIn> {
  await member.sendMessage("!phone dialin on");
  const { body } = await member.waitForMessage("Room number:", botUserId);
  const digitsAfter = (word: string): string =>
    new RegExp(`${word}: ([\\d ]+) #`).exec(body)?.[1]?.replaceAll(" ", "") ?? "";
  return { id: digitsAfter("Room number"), pin: digitsAfter("PIN") };
}
