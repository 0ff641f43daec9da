import { type GhostUserId, ghostUserId, serverOf, userId, type UserId } from "../../ids.ts";
import { GHOST_PREFIX } from "../../numbering/ghost-id.ts";

/** The user ids that are ours on the homeserver. */
export interface Namespace {
  readonly serverName: string;
  readonly botUserId: UserId;
  isGhost(user: string): boolean;
  /** The ghost with this id, if it is one. */
  asGhost(user: string): GhostUserId | undefined;
}

export const localpartOf = (user: UserId): string => user.slice(1, user.indexOf(":"));

export const createNamespace = (options: {
  readonly serverName: string;
  /** Localpart of the bot, for example `phone`. */
  readonly botLocalpart: string;
}): Namespace => {
  const isGhost = (user: string): boolean =>
    user.startsWith(`@${GHOST_PREFIX}`) && serverOf(userId(user)) === options.serverName;
  return {
    serverName: options.serverName,
    botUserId: userId(`@${options.botLocalpart}:${options.serverName}`),
    isGhost,
    asGhost: (user) => (isGhost(user) ? ghostUserId(user) : undefined),
  };
};
