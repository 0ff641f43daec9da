/** Part of the composition root: one-to-one calls, built of their chats, the calls and the directory. */
import type { CallObserver } from "./calls/call-store.ts";
import type { PersonPort } from "./calls/person.ts";
import type { CallService } from "./calls/ports.ts";
import type { Directory, Owner } from "./directory/directory.ts";
import { GatewayError, toGatewayError } from "./errors.ts";
import { roomId, serverOf, type GhostUserId, type UserId } from "./ids.ts";
import type { Log } from "./log.ts";
import type { ChatHooks } from "./matrix/appservice/appservice.ts";
import { createMembership } from "./matrix/appservice/membership.ts";
import type { Namespace } from "./matrix/appservice/namespace.ts";
import type { Users } from "./matrix/appservice/users.ts";
import { errorWords } from "./matrix/appservice/words.ts";
import type { ChatAddress, ChatDevices } from "./matrix/chats/chat-devices.ts";
import { chatFactOf } from "./matrix/chats/chat-facts.ts";
import { createChats } from "./matrix/chats/chats.ts";
import type { Homeserver } from "./matrix/homeserver.ts";
import { checkAutoAccept } from "./matrix/chats/auto-accept.ts";
import { DECLINE_EVENT, declineOf } from "./matrix/rtc/ring.ts";
import { formatNumber } from "./numbering/format.ts";
import { ghostOf, isMaskedGhost, parseGhost } from "./numbering/ghost-id.ts";
import type { NumberPlan } from "./numbering/number-plan.ts";
import { parseNumber } from "./numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "./numbering/phone-number.ts";
import type { ChatStore } from "./personal/chat.ts";
import type { CheckResult, StartupCheck } from "./observability/startup-checks.ts";
import { createChronicle } from "./personal/chronicle.ts";
import { createOutgoing } from "./personal/outgoing.ts";
import type { Policy } from "./policy/policy.ts";

export interface PersonalDeps {
  readonly homeserver: Homeserver;
  readonly store: { readonly chats: ChatStore };
  readonly namespace: Pick<Namespace, "serverName" | "botUserId">;
  readonly devices: ChatDevices;
  readonly users: Pick<Users, "ensure" | "register">;
  readonly directory: Directory;
  readonly plan: NumberPlan;
  readonly policy: Policy;
  readonly log: Log;
}

export interface PersonalCalls {
  readonly people: PersonPort;
  /** The observer of calls that lets their chats see them as well. */
  observing(observer: CallObserver): CallObserver;
  connect(calls: CallService): ChatHooks;
  /** Makes the chat of a person with a number that is now theirs, and says in it what it is. Returns at once and never fails. */
  welcome(number: PhoneNumber, person: UserId): void;
  /** Whether people are in new chats at once; asked where people have numbers. */
  readonly checks: readonly StartupCheck[];
  /** False once the check has found that people have to accept them. */
  areChatsAccepted(): boolean;
  /**
   * Invites people into chats with their own numbers, one after the other, where they have none: they are rung there until they accept
   * the chat with who calls. Returns at once and never fails.
   */
  inviteOwners(owners: readonly Owner[]): void;
  /** Once calls are accepted: chats are read from now on. */
  start(): void;
}

/** A notice, or one in the place of an earlier one (edits of the spec, `m.replace`). */
export const noticeContent = (text: string, replaces?: string): Record<string, unknown> => {
  const notice = { msgtype: "m.notice", body: text };
  if (replaces === undefined) return notice;
  return {
    ...notice,
    body: `* ${text}`,
    "m.new_content": notice,
    "m.relates_to": { rel_type: "m.replace", event_id: replaces },
  };
};

export const createPersonalCalls = (deps: PersonalDeps): PersonalCalls => {
  const { homeserver, devices, directory, plan, policy, log } = deps;
  const { serverName } = deps.namespace;
  const store = deps.store.chats;
  const ensureGhost = (ghost: GhostUserId, name: string): Promise<void> => deps.users.ensure(ghost, name);
  const membership = createMembership({ homeserver, log });
  const chats = createChats({ homeserver, store, devices, membership, ensureGhost, log });
  const write = (chat: ChatAddress, text: string, replaces?: string): Promise<string> =>
    devices.send(chat, "m.room.message", noticeContent(text, replaces));
  const logged = (what: string, work: Promise<unknown>): void => {
    work.catch((thrown: unknown) => log.warn({ code: toGatewayError(thrown).code, what }, "a chat was not told"));
  };
  const nameOf = (number: PhoneNumber): string => directory.nameOf(number) ?? formatNumber(number);
  /** Who has not accepted the chat with the caller sees no ring there, but does in the chat with a number of their own. */
  const chatWith: PersonPort["chatWith"] = async (caller, person) => {
    const { room, ghost, isJoined } = await chats.between(caller, person);
    if (!isJoined) {
      for (const number of directory.numbersOf(person)) {
        const own = await chats.joined(ghostOf(number, serverName), person);
        if (own !== undefined) return { roomId: own.room, ghost: own.ghost, ghostName: nameOf(number) };
      }
    }
    return { roomId: room, ghost };
  };
  const isOwn = (ghost: GhostUserId, person: UserId): boolean =>
    directory.numbersOf(person).some((number) => ghostOf(number, serverName) === ghost);
  const chronicle = createChronicle({ write, chatWith, isOwn, log });
  let outgoing: ReturnType<typeof createOutgoing> | undefined;

  const numberOf = (ghost: GhostUserId): string => {
    if (isMaskedGhost(ghost))
      throw new GatewayError("INVALID_NUMBER", "The number of this caller is hidden: it cannot be called back.");
    const number = parseGhost(ghost, plan, serverName);
    if (number === undefined) throw new GatewayError("INVALID_NUMBER", "This is not the id of a phone number.");
    return canonicalDigits(number);
  };

  const openChat = async (person: UserId, text: string): Promise<string> => {
    if (serverOf(person) !== serverName) {
      throw new GatewayError("NUMBER_NOT_PERMITTED", "Only users of the gateway's own homeserver can call numbers.");
    }
    const number = parseNumber(text, plan);
    policy.authorize({ kind: "user", userId: person }, number);
    const ghost = ghostOf(number, serverName);
    const name = nameOf(number);
    const { room } = await chats.between({ ghost, name }, person);
    return `Here is your chat with ${name}: https://matrix.to/#/${encodeURIComponent(room)} Press call there.`;
  };

  const welcome = async ({ number, user }: Owner): Promise<void> => {
    const ghost = ghostOf(number, serverName);
    const { room } = await chats.between({ ghost, name: nameOf(number) }, user);
    await write({ room, ghost }, `Calls to ${formatNumber(number)} ring you from now on.`);
  };

  let areAccepted = true;
  const checkAcceptance = async (): Promise<CheckResult> => {
    const ghost = ghostOf({ kind: "anonymous", class: "anonymous" }, serverName);
    await deps.users.register(ghost);
    const result = await checkAutoAccept({ homeserver, botUserId: deps.namespace.botUserId, ghost });
    areAccepted = result.ok;
    return result;
  };

  return {
    checks: directory.owners().length === 0 ? [] : [{ name: "people", run: checkAcceptance }],
    areChatsAccepted: () => areAccepted,
    people: {
      personOf: (number) => directory.personOf(number),
      forwardOf: (number) => directory.forwardOf(number),
      chatWith,
      hasDevice: async ({ ghost, name }, person) => {
        await ensureGhost(ghost, name);
        return chats.hasDevice(ghost, person);
      },
      missed: (call) => chronicle.missed(call),
    },
    observing: (observer) => ({
      ...observer,
      transition: (record, event, trunk) => {
        observer.transition(record, event, trunk);
        if (record.person === undefined) return;
        chronicle.transition(record);
        outgoing?.transition(record);
      },
    }),
    start: () => chats.start(),
    welcome: (number, user) => logged("a number of theirs", welcome({ number, user })),
    inviteOwners: (owners) => {
      const inviteAll = async (): Promise<void> => {
        const isNew = ({ number, user }: Owner) => store.between(ghostOf(number, serverName), user).length === 0;
        // One who cannot be invited must not keep the others from it.
        for (const owner of owners.filter(isNew)) {
          const welcomed = welcome(owner);
          logged("a number of theirs", welcomed);
          await welcomed.catch(() => {});
        }
      };
      logged("numbers of people", inviteAll());
    },
    connect: (calls) => {
      const made = createOutgoing({
        calls,
        numberOf,
        say: (chat, text) => logged("refusal", write(chat, text)),
        decline: (chat, ring) => logged("decline", devices.send(chat, DECLINE_EVENT, declineOf(ring))),
        words: errorWords,
        nowMs: Date.now,
        log,
      });
      outgoing = made;
      return {
        accepted: (chat) => chats.accepted(chat),
        onEvent: async (event) => {
          chats.onEvent(event);
          const chat = chats.of(roomId(event.roomId));
          const fact = chat === undefined ? undefined : chatFactOf(event, chat);
          if (chat === undefined || fact === undefined) return;
          devices.warm(chat);
          await made.handle(chat, fact);
        },
        open: openChat,
      };
    },
  };
};
