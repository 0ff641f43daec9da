import type { Router } from "express";
import type { DoorPort } from "../../calls/moderation-ports.ts";
import type { CallService, PolicyPort, RoomPort } from "../../calls/ports.ts";
import type { NoticePort } from "../../calls/notice-ports.ts";
import type { Conferences } from "../../dialin/conferences.ts";
import { type CallId, type GhostUserId, roomId as toRoomId, type RoomId, type UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber } from "../../numbering/format.ts";
import { parseGhost } from "../../numbering/ghost-id.ts";
import type { PhoneNumber } from "../../numbering/phone-number.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import type { CrossSigning } from "../crypto/cross-signing.ts";
import { type Homeserver, matrixPath } from "../homeserver.ts";
import { MEMBER_STICKY_EVENT } from "../rtc/member-events.ts";
import { type RoomState, roomStateOf } from "../room/room-state.ts";
import { createRooms } from "../room/rooms.ts";
import { watchUnreadableMembers } from "../room/unreadable-members.ts";
import { type Answering, createAnswering } from "./answering.ts";
import type { BindingMessage } from "./binding-commands.ts";
import { createBot, type Bot } from "./bot.ts";
import { createDoor } from "./door.ts";
import { createDoorReactions, createModeratorCommands } from "./moderator-commands.ts";
import type { AppserviceEvent } from "./events.ts";
import { createCommands } from "./commands.ts";
import { createDialinCommands, type DialinCommandsDeps, type DialinMessage, noDialin } from "./dialin-commands.ts";
import { createFollowed } from "./followed.ts";
import { createInvites } from "./invites.ts";
import { createMembership } from "./membership.ts";
import type { Namespace } from "./namespace.ts";
import { createNotices } from "./notices.ts";
import { createRemovals } from "./removals.ts";
import { createThirdParty } from "./third-party.ts";
import { createAppserviceRouter, type TransactionLog } from "./transactions.ts";
import { createUnreadableNotice } from "./unreadable-notice.ts";
import { createUpgrades } from "./upgrades.ts";
import { createUserQuery } from "./user-query.ts";
import { createUsers, type GhostStore, type Users } from "./users.ts";

export interface AppserviceDeps {
  readonly homeserver: Homeserver;
  readonly namespace: Namespace;
  readonly hsToken: string;
  readonly botDisplayName: string;
  readonly numberPlan: NumberPlan;
  readonly policy: Pick<PolicyPort, "authorize"> & {
    isKnownServer(server: string): boolean;
    isDiallable(number: PhoneNumber): boolean;
  };
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
  /** Somebody who is not ours has changed the state of a room, or a membership in it. */
  readonly onRoomChanged: (room: RoomId) => void;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface Appservice {
  readonly bot: Bot;
  readonly users: Users;
  readonly rooms: RoomPort;
  readonly notices: NoticePort;
  readonly door: DoorPort;
  /** Tells the room, once per member, that phones cannot hear members whose memberships cannot be decrypted. */
  tellUnreadable(room: RoomId, users: readonly UserId[]): void;
  /** A message in a chat of a number and a person, where the bot is not: the ghost answers. */
  readonly onChatMessage: Answering["onMessage"];
  /** Connects what the homeserver and the people say with the calls, which are made in between because they need rooms and notices. */
  connect(
    calls: CallService,
    chats: ChatHooks & NumberHooks,
  ): {
    /** What the homeserver calls, with full paths. */
    readonly router: Router;
    /** Starts the bot; resolves when its rooms are known. Rejects with HOMESERVER_*. */
    start(): Promise<void>;
  };
}

const dialinCommands = (
  dialin: AppserviceDeps["dialin"],
  deps: Omit<DialinCommandsDeps, "conferences" | "numbers">,
): ((message: DialinMessage) => Promise<string>) =>
  dialin === undefined || dialin.numbers.length === 0 ? noDialin : createDialinCommands({ ...deps, ...dialin });
/** Chats of a number with a person. */
export interface ChatHooks {
  /** The ghost has joined a chat with a person. */
  readonly accepted: (chat: { readonly room: RoomId; readonly ghost: GhostUserId; readonly person: UserId }) => void;
  /** Every event that the homeserver tells. */
  readonly onEvent: (event: AppserviceEvent) => Promise<void>;
  /** `!phone call`: makes the chat, and answers in words. Rejects with GatewayError. */
  readonly open: (person: UserId, number: string) => Promise<string>;
}

/** Of the state of a room, or a sticky membership in it. */
const isChange = ({ type, stateKey }: AppserviceEvent): boolean =>
  stateKey !== undefined || type === MEMBER_STICKY_EVENT;

/** Whose numbers are. */
export interface NumberHooks {
  /** `!phone bind` and its like: answers in words. Rejects with GatewayError. */
  readonly bindings: (message: BindingMessage) => Promise<string>;
}

/** Writes a state event without key as the bot. Rejects with HOMESERVER_*. */
const stateWriter =
  (homeserver: Homeserver, botUserId: UserId) =>
  async (room: RoomId, type: string, content: object): Promise<void> => {
    const path = `${matrixPath("client/v3", "rooms", room, "state", type)}/`;
    await homeserver.request({ method: "PUT", path, body: content, as: { userId: botUserId } });
  };

/** The state of a room that the bot is in. */
const stateIn =
  (bot: Bot) =>
  (room: RoomId): RoomState | undefined => {
    const synced = bot.room(room);
    return synced === undefined ? undefined : roomStateOf(synced);
  };

/** The Matrix side of the gateway that is not about one call: users, bot, rooms, and what the homeserver tells. */
export const createAppservice = (deps: AppserviceDeps): Appservice => {
  const { homeserver, namespace, numberPlan, policy, rejectionLimit, nowMs, log } = deps;
  const { botUserId, serverName } = namespace;
  const isGhost = (user: string): boolean => namespace.isGhost(user);
  const isOurs = (user: string): boolean => user === botUserId || isGhost(user);
  const users = createUsers({ homeserver, store: deps.ghostStore, log });
  const membership = createMembership({ homeserver, log });
  const bot = createBot({
    homeserver,
    userId: botUserId,
    displayName: deps.botDisplayName,
    users,
    isOurs,
    crossSigning: deps.crossSigning,
    nowMs,
    log,
  });

  const tellUnreadable = createUnreadableNotice({
    say: (room, text) => bot.say(room, text),
    onUnreadable: deps.onUnreadableMembers,
    log,
  });

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

  const sayAsBot = async (room: RoomId, text: string): Promise<boolean> => (await bot.say(room, text)) !== undefined;
  const notices = createNotices({ sayAsBot, sayAsGhost: deps.sayAsGhost, log });

  const door = createDoor({
    homeserver,
    botUserId,
    stateOf: stateIn(bot),
    users,
    membership,
    say: (room, text) => bot.say(room, text),
  });

  const writeState = stateWriter(homeserver, botUserId);
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
      sayAsBot,
      rejectionLimit,
      log,
    });
    const onRemoval = createRemovals({ namespace, calls });
    const onUpgrade = createUpgrades({
      homeserver,
      botUserId,
      membership,
      conferences: deps.dialin?.conferences,
      onFollowed: createFollowed({ bot, numbers: deps.dialin?.numbers ?? [], writeState, log }),
      log,
    });
    return createAppserviceRouter({
      hsToken: deps.hsToken,
      transactionLog: deps.transactionLog,
      onEvent: async (event) => {
        onRemoval(event);
        if (isChange(event) && !isOurs(event.sender)) deps.onRoomChanged(toRoomId(event.roomId));
        await onInvite(event);
        await onUpgrade(event);
        await chats.onEvent(event);
      },
      hasUser: createUserQuery({ numberPlan, serverName }),
      thirdParty: createThirdParty({ numberPlan, serverName, isDiallable: (number) => policy.isDiallable(number) }),
      onMalformed: deps.onMalformedEvents,
      log,
    });
  };

  let answering: Answering | undefined;
  const startWith = async (calls: CallService, hooks: ChatHooks & NumberHooks): Promise<void> => {
    const { open: openChat, bindings } = hooks;
    const isModerator = (room: RoomId, user: UserId): boolean => rooms.isModerator(room, user);
    const sayPrivately = (user: UserId, text: string): Promise<void> => bot.sayPrivately(user, text);
    const dialin = dialinCommands(deps.dialin, {
      isModerator,
      isEncrypted: (room) => bot.room(room)?.hasEncryptionStateEvent() ?? false,
      sayPrivately,
      writeState,
      log,
    });
    const moderate = createModeratorCommands({ calls, isModerator, sayPrivately, numberPlan, log });
    answering = createAnswering({
      say: (room, text) => bot.say(room, text),
      isKnownServer: (server) => policy.isKnownServer(server),
      run: createCommands({ calls, dialin, moderate, openChat, bindings, numberPlan, nowMs, log }),
      react: createDoorReactions({ calls, log }),
      log,
    });
    await bot.start(answering);
  };

  return {
    bot,
    users,
    rooms,
    notices,
    door,
    tellUnreadable,
    onChatMessage: (message, say) => answering?.onMessage(message, say),
    connect: (calls, chats) => ({ router: routerFor(calls, chats), start: () => startWith(calls, chats) }),
  };
};
