import type { CallRecord, CallService } from "../calls/ports.ts";
import { type GatewayError, toGatewayError } from "../errors.ts";
import type { CallId, GhostUserId, RoomId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { PhoneChat } from "./chat.ts";

/** What a person does in a chat with a number that is about calling it. */
export type ChatFact =
  /** The person has joined the call of the chat with a device. `isNew` false: a membership that was there is written again. */
  | {
      readonly type: "joined";
      readonly eventId: string;
      readonly stateKey: string;
      readonly isNew: boolean;
      /** How long ago, as the homeserver says it. */
      readonly ageMs: number;
    }
  | { readonly type: "left"; readonly stateKey: string }
  /** A ring of the person (MSC4075) that refers to one of their memberships. */
  | { readonly type: "rang"; readonly eventId: string; readonly membershipEventId: string };

export interface OutgoingDeps {
  readonly calls: Pick<CallService, "add" | "hangup" | "inRoom">;
  /** The number of a ghost, canonical. Throws GatewayError for one whose number is hidden. */
  readonly numberOf: (ghost: GhostUserId) => string;
  /** Says something in the chat; never rejects. */
  readonly say: (chat: PhoneChat, text: string) => void;
  /** Declines a ring of the person as the ghost (MSC4310): Element Call stops. Never rejects. */
  readonly decline: (chat: PhoneChat, ringEventId: string) => void;
  readonly words: (error: GatewayError) => string;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface Outgoing {
  handle(chat: PhoneChat, fact: ChatFact): Promise<void>;
  /** Each change of a one-to-one call. */
  transition(record: CallRecord): void;
}

interface Attempt {
  readonly chat: PhoneChat;
  readonly membershipEventId: string;
  readonly stateKey: string;
  callId?: CallId;
  /** Nobody answers any more: each ring is declined as soon as it is known. */
  isRefused: boolean;
}

/** What the homeserver held back for longer (we were stopped) is no wish to call any more. */
const MAX_AGE_MS = 60_000;
/** A person who accepts a call in the moment in which it ends does not mean to call back. */
const CROSSED_MS = 5000;
/** Of chats; a ring comes right after its membership. */
const KEPT_RINGS = 200;

/** Ends that the person did not want: Element Call has to hear of them. */
const isUnwanted = ({ outcome, answeredAtMs }: CallRecord): boolean =>
  answeredAtMs === undefined && outcome !== undefined && outcome !== "cancelled";

/** Calls a number when the person of its chat calls it, and ends that when they give up. */
export const createOutgoing = (deps: OutgoingDeps): Outgoing => {
  const { calls, say, decline, nowMs, log } = deps;
  /** The newest of each chat. */
  const attempts = new Map<RoomId, Attempt>();
  /** Rings that were not declined, by membership. */
  const rings = new Map<string, string[]>();
  const endedInbound = new Map<RoomId, number>();

  const declineKnown = ({ chat, membershipEventId, isRefused }: Attempt): void => {
    if (!isRefused) return;
    // A client that rings twice waits for the answer to one of them.
    for (const ring of rings.get(membershipEventId)?.splice(0) ?? []) decline(chat, ring);
  };

  const refuse = (attempt: Attempt): void => {
    attempt.isRefused = true;
    declineKnown(attempt);
  };

  const start = async (attempt: Attempt): Promise<void> => {
    const { chat } = attempt;
    try {
      const number = deps.numberOf(chat.ghost);
      const subject = { kind: "user", userId: chat.person } as const;
      const { callId } = await calls.add({ roomId: chat.room, number, subject, via: "chat" });
      attempt.callId = callId;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      log.info({ code: error.code, roomId: chat.room }, "a person's call to a number was refused");
      // Answering a call of this number, or joining with a second device: no call of its own.
      if (error.code === "ALREADY_IN_CALL") return;
      refuse(attempt);
      // They have left meanwhile: nobody waits for words.
      if (error.code !== "NO_LIVE_CALL") say(chat, deps.words(error));
    }
  };

  const joined = async (chat: PhoneChat, fact: Extract<ChatFact, { type: "joined" }>): Promise<void> => {
    // A membership that is written again, and one that answers a call, call nobody.
    if (!fact.isNew || calls.inRoom(chat.room).length > 0) return;
    if (fact.ageMs > MAX_AGE_MS) {
      log.info({ roomId: chat.room, ageMs: fact.ageMs }, "a person's call to a number is too old");
      return;
    }
    const { eventId: membershipEventId, stateKey } = fact;
    const attempt: Attempt = { chat, membershipEventId, stateKey, isRefused: false };
    attempts.set(chat.room, attempt);
    const crossed = nowMs() - (endedInbound.get(chat.room) ?? 0) < CROSSED_MS;
    // Who calls rings; who accepts does not.
    if (!crossed || rings.has(membershipEventId)) await start(attempt);
  };

  const rang = async (chat: PhoneChat, { eventId, membershipEventId }: Extract<ChatFact, { type: "rang" }>) => {
    if (rings.size >= KEPT_RINGS) rings.delete(rings.keys().next().value ?? "");
    rings.set(membershipEventId, [...(rings.get(membershipEventId) ?? []), eventId]);
    const attempt = attempts.get(chat.room);
    if (attempt?.membershipEventId !== membershipEventId) return;
    declineKnown(attempt);
    const isWaiting = attempt.callId === undefined && !attempt.isRefused;
    if (isWaiting && calls.inRoom(chat.room).length === 0) await start(attempt);
  };

  const left = async (chat: PhoneChat, stateKey: string): Promise<void> => {
    const attempt = attempts.get(chat.room);
    if (attempt === undefined || attempt.stateKey !== stateKey) return;
    attempts.delete(chat.room);
    const call = calls.inRoom(chat.room).find(({ callId }) => callId === attempt.callId);
    // Once they talk, another device of theirs may have taken over: the call ends when nobody is left in it.
    if (call === undefined || call.answeredAtMs !== undefined) return;
    const subject = { kind: "user", userId: chat.person } as const;
    await calls.hangup({ callId: call.callId, subject });
  };

  return {
    handle: async (chat, fact) => {
      if (fact.type === "joined") await joined(chat, fact);
      else if (fact.type === "rang") await rang(chat, fact);
      else await left(chat, fact.stateKey);
    },
    transition: (record) => {
      if (record.state !== "ended" || record.person === undefined) return;
      if (record.direction === "inbound") {
        if (record.answeredAtMs === undefined) endedInbound.set(record.roomId, nowMs());
        return;
      }
      const attempt = attempts.get(record.roomId);
      if (attempt?.callId === record.callId && isUnwanted(record)) refuse(attempt);
    },
  };
};
