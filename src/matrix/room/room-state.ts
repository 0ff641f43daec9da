import type { MatrixEvent, Room } from "matrix-js-sdk";
import { z } from "zod";
import { userId, type UserId } from "../../ids.ts";
import { MEMBER_STATE_EVENT, MEMBER_STICKY_EVENT } from "../rtc/member-events.ts";
import type { MemberEvent } from "./call-members.ts";

export interface StateEvent {
  readonly sender: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** What a room view is made of, wherever the state comes from. */
export interface RoomState {
  event(type: string, stateKey: string): StateEvent | undefined;
  /** Memberships of the call, state and sticky, trusted or not. */
  memberEvents(): readonly MemberEvent[];
  isJoined(user: string): boolean;
  /** Joined or invited. */
  people(): readonly UserId[];
}

const PRESENT: ReadonlySet<string> = new Set(["join", "invite"]);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const contentOf = (event: MatrixEvent): Record<string, unknown> => {
  const content: unknown = event.getContent();
  return isRecord(content) ? content : {};
};

const memberEventOf = (event: MatrixEvent): MemberEvent => {
  const stateKey = event.getStateKey();
  return {
    type: event.getType(),
    eventId: event.getId() ?? "",
    sender: event.getSender() ?? "",
    content: contentOf(event),
    sentAtMs: event.getTs(),
    ...(stateKey === undefined ? {} : { stateKey }),
    ...(event.unstableStickyExpiresAt === undefined ? {} : { stickyUntilMs: event.unstableStickyExpiresAt }),
  };
};

/** State of a room as a syncing client has it; read anew at every call. */
export const roomStateOf = (room: Room): RoomState => ({
  event: (type, stateKey) => {
    const event = room.currentState.getStateEvents(type, stateKey);
    return event === null ? undefined : { sender: event.getSender() ?? "", content: contentOf(event) };
  },
  memberEvents: () => [
    ...room.currentState.getStateEvents(MEMBER_STATE_EVENT).map(memberEventOf),
    ...[...room._unstable_getStickyEvents()].filter((e) => e.getType() === MEMBER_STICKY_EVENT).map(memberEventOf),
  ],
  isJoined: (user) => room.getMember(user)?.membership === "join",
  people: () =>
    room
      .getMembers()
      .filter(({ membership = "" }) => PRESENT.has(membership))
      .map((member) => userId(member.userId)),
});

/** An event as `GET /state` and `/sync` give it. */
const rawEventSchema = z.object({
  type: z.string(),
  event_id: z.string(),
  sender: z.string(),
  state_key: z.string().optional(),
  content: z.record(z.string(), z.unknown()),
  origin_server_ts: z.number(),
  msc4354_sticky: z.object({ duration_ms: z.number() }).optional().catch(undefined),
  unsigned: z.object({ msc4354_sticky_duration_ttl_ms: z.number().optional() }).optional().catch(undefined),
});

export type RawEvent = z.infer<typeof rawEventSchema>;

/** Events that are not well-formed are left out: one of them must not hide the room. */
export const parseRawEvents = (value: unknown): readonly RawEvent[] =>
  Array.isArray(value) ? value.flatMap((event) => rawEventSchema.safeParse(event).data ?? []) : [];

/** MSC4354: an event is sticky for an hour at most, from when the homeserver got it. */
const MAX_STICKY_MS = 3_600_000;

export const stickyUntilMs = (event: RawEvent, nowMs: number): number | undefined => {
  if (event.msc4354_sticky === undefined) return undefined;
  const leftMs = event.unsigned?.msc4354_sticky_duration_ttl_ms;
  if (leftMs !== undefined) return nowMs + leftMs;
  return Math.min(nowMs, event.origin_server_ts) + Math.min(MAX_STICKY_MS, event.msc4354_sticky.duration_ms);
};

/** State of a room from `GET /state`, and its sticky events where they were asked for. */
export const roomStateFrom = (state: readonly RawEvent[], sticky: readonly RawEvent[], nowMs: number): RoomState => {
  const byKey = new Map(state.map((event) => [`${event.type}\0${event.state_key}`, event]));
  const toMemberEvent = (event: RawEvent): MemberEvent => {
    const until = stickyUntilMs(event, nowMs);
    return {
      type: event.type,
      eventId: event.event_id,
      sender: event.sender,
      content: event.content,
      sentAtMs: event.origin_server_ts,
      ...(event.state_key === undefined ? {} : { stateKey: event.state_key }),
      ...(until === undefined ? {} : { stickyUntilMs: until }),
    };
  };
  return {
    event: (type, stateKey) => byKey.get(`${type}\0${stateKey}`),
    memberEvents: () => [
      ...state.filter((event) => event.type === MEMBER_STATE_EVENT).map(toMemberEvent),
      ...sticky.filter((event) => event.type === MEMBER_STICKY_EVENT).map(toMemberEvent),
    ],
    isJoined: (user) => byKey.get(`m.room.member\0${user}`)?.content["membership"] === "join",
    people: () =>
      state
        .filter(({ type, content }) => type === "m.room.member" && PRESENT.has(String(content["membership"])))
        .map((event) => userId(event.state_key ?? "")),
  };
};
