import type { Router } from "express";
import type { CallService, NoticePort, PolicyPort, RoomPort } from "../../calls/ports.ts";
import type { Conferences } from "../../dialin/conferences.ts";
import { GatewayError, toGatewayError } from "../../errors.ts";
import { type CallId, type GhostUserId, type RoomId, type UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber } from "../../numbering/format.ts";
import { parseGhost } from "../../numbering/ghost-id.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import type { CrossSigning } from "../crypto/cross-signing.ts";
import { type Homeserver, matrixPath } from "../homeserver.ts";
import { roomStateOf } from "../room/room-state.ts";
import { createRooms } from "../room/rooms.ts";
import { watchUnreadableMembers } from "../room/unreadable-members.ts";
import { viewOf } from "../room/view.ts";
import { type Answering, createAnswering } from "./answering.ts";
import { createBot, type Bot } from "./bot.ts";
import type { AppserviceEvent } from "./events.ts";
import { createCommands } from "./commands.ts";
import { createDialinCommands, type DialinCommandsDeps, type DialinMessage } from "./dialin-commands.ts";
import { createInvites } from "./invites.ts";
import { createMembership } from "./membership.ts";
import type { Namespace } from "./namespace.ts";
import { createNotices, UNREADABLE_MEMBER_TEXT } from "./notices.ts";
import { createRemovals } from "./removals.ts";
import { createAppserviceRouter, type TransactionLog } from "./transactions.ts";
import { createUserQuery } from "./user-query.ts";
import { createUsers, type GhostStore, type Users } from "./users.ts";

export interface AppserviceDeps {
  readonly homeserver: Homeserver;
  readonly namespace: Namespace;
  readonly hsToken: string;
  readonly botDisplayName: string;
  readonly numberPlan: NumberPlan;
  readonly policy: PolicyPort & { isKnownServer(server: string): boolean };
  /** Rooms that phones can dial, and the numbers they dial, as people read them; absent: there are none. */
  readonly dialin?: { readonly conferences: Conferences; readonly numbers: readonly string[] };
  readonly sayAsGhost: (call: CallId, room: RoomId, text: string) => Promise<void>;
  /** A ghost without a call joins, writes one notice and leaves. */
  readonly noticeAsGhost: (ghost: GhostUserId, room: RoomId, text: string) => Promise<void>;
  readonly transactionLog: TransactionLog;
  readonly ghostStore: GhostStore;
  readonly rejectionLimit: { attempt(subject: string): number };
  readonly crossSigning: CrossSigning;
  readonly onMalformedEvents: (count: number) => void;
  readonly onUnreadableMembers: (room: RoomId, count: number) => void;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface Appservice {
  readonly bot: Bot;
  readonly users: Users;
  readonly rooms: RoomPort;
  readonly notices: NoticePort;
  /** Tells the room, once per member, that phones cannot hear members whose memberships cannot be decrypted. */
  tellUnreadable(room: RoomId, users: readonly UserId[]): void;
  /** A message in a chat of a number and a person, where the bot is not: the ghost answers. */
  readonly onChatMessage: Answering;
  /** Connects what the homeserver and the people say with the calls, which are made in between because they need rooms and notices. */
  connect(
    calls: CallService,
    chats: ChatHooks,
  ): {
    /** What the homeserver calls, with full paths. */
    readonly router: Router;
    /** Starts the bot; resolves when its rooms are known. Rejects with HOMESERVER_*. */
    start(): Promise<void>;
  };
}

/** Chats of a number with a person. */
export interface ChatHooks {
  /** The ghost has joined a chat with a person. */
  readonly accepted: (chat: { readonly room: RoomId; readonly ghost: GhostUserId; readonly person: UserId }) => void;
  /** Every event that the homeserver tells. */
  readonly onEvent: (event: AppserviceEvent) => Promise<void>;
  /** `!phone call`: makes the chat, and answers in words. Rejects with GatewayError. */
  readonly open: (person: UserId, number: string) => Promise<string>;
}

const noDialin = async (_message: DialinMessage): Promise<string> => {
  throw new GatewayError("BAD_REQUEST", "This gateway has no dial-in number: its administrator can set one up.");
};

/** The Matrix side of the gateway that is not about one call: users, bot, rooms, and what the homeserver tells. */
export const createAppservice = (deps: AppserviceDeps): Appservice => {
  const { homeserver, namespace, numberPlan, policy, rejectionLimit, nowMs, log } = deps;
  const { botUserId, serverName } = namespace;
  const isGhost = (user: string): boolean => namespace.isGhost(user);
  const users = createUsers({ homeserver, store: deps.ghostStore, log });
  const membership = createMembership({ homeserver, log });
  const bot = createBot({
    homeserver,
    userId: botUserId,
    displayName: deps.botDisplayName,
    users,
    isOurs: (user) => user === botUserId || isGhost(user),
    crossSigning: deps.crossSigning,
    nowMs,
    log,
  });

  const toldUnreadable = new Set<string>();
  const tellUnreadable = (room: RoomId, users: readonly UserId[]): void => {
    const who = users.filter((user) => !toldUnreadable.has(`${room} ${user}`));
    if (who.length === 0) return;
    for (const user of who) toldUnreadable.add(`${room} ${user}`);
    log.warn({ roomId: room, members: who.length }, "memberships of a call cannot be decrypted");
    deps.onUnreadableMembers(room, who.length);
    bot.say(room, UNREADABLE_MEMBER_TEXT).catch((thrown: unknown) => {
      log.warn({ roomId: room, code: toGatewayError(thrown).code }, "notice not sent");
    });
  };

  const rooms = createRooms({
    homeserver,
    bot,
    botUserId,
    isGhost,
    unreadable: watchUnreadableMembers(bot.client, nowMs),
    joinAsGhost: async (ghost, room) => {
      const number = parseGhost(ghost, numberPlan, serverName);
      if (number !== undefined) await users.ensure(ghost, formatNumber(number));
      await membership.join(ghost, room);
    },
    onUnreadable: tellUnreadable,
    nowMs,
  });

  const notices = createNotices({ sayAsBot: (room, text) => bot.say(room, text), sayAsGhost: deps.sayAsGhost, log });

  const routerFor = (calls: CallService, chats: ChatHooks): Router => {
    const onInvite = createInvites({
      namespace,
      numberPlan,
      policy,
      calls,
      users,
      membership,
      onChat: chats.accepted,
      noticeAsGhost: deps.noticeAsGhost,
      sayAsBot: (room, text) => bot.say(room, text),
      rejectionLimit,
      log,
    });
    const onRemoval = createRemovals({ namespace, calls });
    return createAppserviceRouter({
      hsToken: deps.hsToken,
      transactionLog: deps.transactionLog,
      onEvent: async (event) => {
        onRemoval(event);
        await onInvite(event);
        await chats.onEvent(event);
      },
      hasUser: createUserQuery({ numberPlan, serverName }),
      onMalformed: deps.onMalformedEvents,
      log,
    });
  };

  /** From what the bot has synced: no request, and no live call needed. */
  const isModerator = (room: RoomId, user: UserId): boolean => {
    const synced = bot.room(room);
    if (synced === undefined) return false;
    const context = { roomId: room, botUserId, ghost: "", isGhost, nowMs: nowMs() };
    return viewOf(roomStateOf(synced), context).canKick(user);
  };

  const dialinDeps = (conferences: Conferences, numbers: readonly string[]): DialinCommandsDeps => ({
    conferences,
    numbers,
    isModerator,
    isEncrypted: (room) => bot.room(room)?.hasEncryptionStateEvent() ?? false,
    sayPrivately: (user, text) => bot.sayPrivately(user, text),
    writeState: async (room, type, content) => {
      const path = `${matrixPath("client/v3", "rooms", room, "state", type)}/`;
      await homeserver.request({ method: "PUT", path, body: content, as: { userId: botUserId } });
    },
    log,
  });

  let answering: Answering | undefined;
  const startWith = async (calls: CallService, chats: ChatHooks): Promise<void> => {
    const { conferences, numbers = [] } = deps.dialin ?? {};
    const dialin =
      conferences === undefined || numbers.length === 0
        ? noDialin
        : createDialinCommands(dialinDeps(conferences, numbers));
    const run = createCommands({ calls, dialin, openChat: chats.open, numberPlan, nowMs, log });
    answering = createAnswering({ run, policy, log });
    await bot.start((message) => answering?.(message, (text) => bot.say(message.room, text)));
  };

  return {
    bot,
    users,
    rooms,
    notices,
    tellUnreadable,
    onChatMessage: (message, say) => answering?.(message, say),
    connect: (calls, chats) => ({ router: routerFor(calls, chats), start: () => startWith(calls, chats) }),
  };
};
