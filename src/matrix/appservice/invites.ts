import type { CallService, PolicyPort } from "../../calls/ports.ts";
import { type GatewayError, toGatewayError } from "../../errors.ts";
import { roomId as toRoomId, serverOf, userId, type GhostUserId, type RoomId, type UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber, maskNumber } from "../../numbering/format.ts";
import { parseGhost } from "../../numbering/ghost-id.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import { canonicalDigits, type PhoneNumber } from "../../numbering/phone-number.ts";
import type { AppserviceEvent } from "./events.ts";
import type { Membership } from "./membership.ts";
import type { Namespace } from "./namespace.ts";
import type { Users } from "./users.ts";
import { errorWords } from "./words.ts";

export interface InvitesDeps {
  readonly namespace: Namespace;
  readonly numberPlan: NumberPlan;
  readonly policy: Pick<PolicyPort, "authorize"> & { isKnownServer(server: string): boolean };
  readonly calls: Pick<CallService, "add" | "ghostInvited">;
  readonly users: Users;
  readonly membership: Membership;
  /** The ghost has joined a chat with a person. */
  readonly onChat: (chat: { readonly room: RoomId; readonly ghost: GhostUserId; readonly person: UserId }) => void;
  /** Joins as the ghost, writes one notice (encrypted where the room is) and leaves (rtc/). */
  readonly noticeAsGhost: (ghost: GhostUserId, room: RoomId, text: string) => Promise<void>;
  /** Sends a notice as the bot; false when it is not in the room. */
  readonly sayAsBot: (room: RoomId, text: string) => Promise<boolean>;
  /** Rejections per inviter, and per server that the policy does not name: 0 means go ahead (policy/rate-limit.ts). */
  readonly rejectionLimit: { attempt(subject: string): number };
  readonly log: Log;
}

interface GhostInvite {
  readonly room: RoomId;
  readonly ghost: GhostUserId;
  readonly inviter: UserId;
  readonly isDirect: boolean;
}

/** What an invite of the bot or of a ghost brings about. Events that are no such invites are ignored. */
export const createInvites = (deps: InvitesDeps): ((event: AppserviceEvent) => Promise<void>) => {
  const { namespace, numberPlan, policy, calls, users, membership, rejectionLimit, log } = deps;

  /** Rejecting needs the user to exist, so it makes it, without name and picture; not more often than the limit allows. */
  const reject = async ({ room, ghost, inviter }: GhostInvite, error: GatewayError): Promise<void> => {
    log.info({ code: error.code, roomId: room, inviter }, "invite refused");
    if (rejectionLimit.attempt(inviter) > 0) return;
    const words = errorWords(error);
    await users.register(ghost);
    void membership.leave(ghost, room, words);
    await deps.sayAsBot(room, words);
  };

  /** No word and no user for servers that nobody allowed; an invite of an unknown ghost is left as it is. */
  const rejectSilently = (user: UserId, room: RoomId, server: string): void => {
    log.debug({ roomId: room, server }, "invite from a server that the policy does not name");
    if (!users.isKnown(user) || rejectionLimit.attempt(server) > 0) return;
    void membership.leave(user, room);
  };

  const refuseWithoutCall = async ({ room, ghost }: GhostInvite, number: PhoneNumber, words: string): Promise<void> => {
    await users.ensure(ghost, formatNumber(number));
    try {
      await deps.noticeAsGhost(ghost, room, words);
    } finally {
      void membership.leave(ghost, room, words);
    }
  };

  const acceptDirect = async (invite: GhostInvite, number: PhoneNumber): Promise<void> => {
    policy.authorize({ kind: "user", userId: invite.inviter }, number);
    await users.ensure(invite.ghost, formatNumber(number));
    await membership.join(invite.ghost, invite.room);
    deps.onChat({ room: invite.room, ghost: invite.ghost, person: invite.inviter });
    log.info({ roomId: invite.room, number: maskNumber(number) }, "direct chat with a number accepted");
  };

  const startCall = async (invite: GhostInvite, number: PhoneNumber): Promise<void> => {
    try {
      await calls.add({
        roomId: invite.room,
        number: canonicalDigits(number),
        subject: { kind: "user", userId: invite.inviter },
        via: "invite",
      });
    } catch (thrown) {
      const error = toGatewayError(thrown);
      // The same phone was invited twice: leaving now would end the call it is in.
      if (error.code === "ALREADY_IN_CALL") return;
      if (error.code !== "NO_LIVE_CALL") throw error;
      await refuseWithoutCall(invite, number, errorWords(error));
    }
  };

  const onGhostInvited = async (invite: GhostInvite): Promise<void> => {
    const server = serverOf(invite.inviter);
    if (!policy.isKnownServer(server)) return rejectSilently(invite.ghost, invite.room, server);
    try {
      const number = parseGhost(invite.ghost, numberPlan, namespace.serverName);
      if (number === undefined) return;
      const isDirect = invite.isDirect && server === namespace.serverName;
      await (isDirect ? acceptDirect(invite, number) : startCall(invite, number));
    } catch (thrown) {
      await reject(invite, toGatewayError(thrown));
    }
  };

  const onBotInvited = async (room: RoomId, inviter: UserId): Promise<void> => {
    const server = serverOf(inviter);
    if (!policy.isKnownServer(server)) return rejectSilently(namespace.botUserId, room, server);
    await membership.join(namespace.botUserId, room);
    log.info({ roomId: room, inviter }, "the bot joined a room");
  };

  return async (event) => {
    const invited = event.stateKey;
    if (event.type !== "m.room.member" || event.content["membership"] !== "invite" || invited === undefined) return;
    const room = toRoomId(event.roomId);
    const inviter = userId(event.sender);
    if (invited === namespace.botUserId) return onBotInvited(room, inviter);
    const ghost = namespace.asGhost(invited);
    // The bot invites ghosts for calls that were started by a command or the API: they join by themselves.
    if (ghost === undefined || inviter === namespace.botUserId || namespace.isGhost(inviter)) return;
    if (calls.ghostInvited(room, ghost)) return;
    await onGhostInvited({ room, ghost, inviter, isDirect: event.content["is_direct"] === true });
  };
};
