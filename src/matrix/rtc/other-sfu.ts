import type { CallMembership } from "matrix-js-sdk/lib/matrixrtc/index.js";
import { userId, type UserId } from "../../ids.ts";

/** `livekit_service_url` on which a member publishes; undefined when it names none. */
const serviceUrlOf = (member: CallMembership, oldest: CallMembership): string | undefined => {
  const transport = member.getTransport(oldest);
  const url: unknown = transport?.["livekit_service_url"];
  return transport?.type === "livekit" && typeof url === "string" ? url : undefined;
};

/**
 * Finds members whose audio is on another SFU than ours (multi-SFU: each publishes on its own homeserver's). Phones do not hear them; said
 * once per user. URLs are compared letter by letter, as Element Call does.
 */
export const watchOtherSfus = (options: {
  readonly ownServiceUrl: string;
  readonly onMember: (user: UserId) => void;
}): ((members: readonly CallMembership[]) => void) => {
  const told = new Set<string>();
  return (members) => {
    const [oldest] = [...members].sort((a, b) => a.createdTs() - b.createdTs());
    if (oldest === undefined) return;
    for (const member of members) {
      const url = serviceUrlOf(member, oldest);
      if (url === undefined || url === options.ownServiceUrl || told.has(member.userId)) continue;
      told.add(member.userId);
      options.onMember(userId(member.userId));
    }
  };
};
