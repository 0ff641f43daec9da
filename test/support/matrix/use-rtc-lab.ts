import { afterAll, afterEach, beforeAll } from "@jest/globals";

import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { Member } from "./member.ts";
import { type RtcLab, startRtcLab } from "./rtc-lab.ts";

export interface RtcMembers {
  /** A new account and its client. */
  readonly newMember: (name: string) => Promise<Member>;
  /** A client of a login. */
  readonly newClient: (user: LabUser) => Promise<Member>;
}

/** Gives the tests of a file one lab, and members who are gone after each test. */
export const useRtcLab = (onStarted: (rtcLab: RtcLab) => void): RtcMembers => {
  let rtcLab: RtcLab | undefined;
  const members: Member[] = [];
  const running = (): RtcLab => {
    if (rtcLab === undefined) throw new Error("the lab has not started");
    return rtcLab;
  };
  beforeAll(async () => {
    rtcLab = await startRtcLab();
    onStarted(rtcLab);
  }, 600_000);
  afterAll(async () => rtcLab?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member[Symbol.asyncDispose]()));
  });
  const newClient = async (user: LabUser): Promise<Member> => {
    const member = await running().member(user);
    members.push(member);
    return member;
  };
  return {
    newClient,
    newMember: async (name) => {
      const username = `${name}-${crypto.randomUUID()}`;
      return newClient(await running().lab.homeserver.createUser(username, { displayName: name }));
    },
  };
};
