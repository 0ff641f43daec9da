import { createHash } from "node:crypto";
import { z } from "zod";
import { deviceId, userId, type DeviceId, type UserId } from "../../ids.ts";
import { MEMBER_STATE_EVENT, MEMBER_STICKY_EVENT, judgeMemberEvent, plainIdentity } from "../rtc/member-events.ts";

/** The one call of a room: what state events call `call_id: ""`. */
export const CALL_SLOT = "m.call#ROOM";
/** State event that can close the slot for sticky memberships (MSC4143). */
export const SLOT_EVENT = "org.matrix.msc4143.rtc.slot";

/** A member event, state or sticky, decrypted where it was encrypted. */
export interface MemberEvent {
  readonly type: string;
  readonly eventId: string;
  readonly sender: string;
  /** Of the state event. */
  readonly stateKey?: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** `origin_server_ts`, milliseconds since the epoch. */
  readonly sentAtMs: number;
  /** Of the sticky event: when it ceases to be sticky. */
  readonly stickyUntilMs?: number;
}

/** One (user, device) in the conference. */
export interface CallMember {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  /** `user:device` in compatibility mode, a random id in sticky mode. */
  readonly memberId: string;
  /** LiveKit identity: `user:device`, or the hash of MSC4195 in sticky mode. */
  readonly identity: string;
  readonly eventId: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** `livekit_service_url` this member publishes on; absent when it leaves the choice to the oldest member. */
  readonly transportUrl?: string;
}

export type Distrust = "broken" | "foreign-sender" | "not-joined" | "expired";

export interface CallMembers {
  /** Oldest first. */
  readonly members: readonly CallMember[];
  /** Events that claim a membership and are not believed. Who has left is not among them. */
  readonly distrusted: readonly { readonly eventId: string; readonly sender: string; readonly why: Distrust }[];
}

export interface CallMembersContext {
  readonly isJoined: (user: string) => boolean;
  /** Content of the slot's state event, if there is one. */
  readonly slot: Readonly<Record<string, unknown>> | undefined;
  readonly nowMs: number;
}

/** js-sdk 43 CallMembership.ts, DEFAULT_EXPIRE_DURATION. */
const DEFAULT_EXPIRES_MS = 4 * 60 * 60 * 1000;

const transportSchema = z.object({ type: z.string(), livekit_service_url: z.string().optional() });

const stateContentSchema = z.object({
  application: z.string(),
  call_id: z.string(),
  device_id: z.string(),
  focus_active: z.object({ type: z.string(), focus_selection: z.string().optional() }),
  foci_preferred: z.array(transportSchema).optional(),
  created_ts: z.number().optional(),
  expires: z.number().optional(),
});

const stickyContentSchema = z.object({
  slot_id: z.string(),
  application: z.object({ type: z.string() }),
  member: z.object({ user_id: z.string(), device_id: z.string(), id: z.string() }),
  transports: z.object({ published: z.array(transportSchema), can_subscribe: z.array(z.string()) }),
  versions: z.array(z.string()),
});

type Verdict = CallMember | Distrust | "left" | "other-call";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

const withTransport = (url: string | undefined): { transportUrl?: string } =>
  url === undefined ? {} : { transportUrl: url };

const readStateMember = (event: MemberEvent): Verdict => {
  const judged = judgeMemberEvent({ sender: event.sender, stateKey: event.stateKey, content: event.content });
  if (judged !== "member") return judged;
  const parsed = stateContentSchema.safeParse(event.content);
  if (!parsed.success) return "broken";
  const content = parsed.data;
  // The one call of a room has `call_id: ""` in state events; some clients write ROOM, as in the slot id.
  if (content.application !== "m.call" || (content.call_id !== "" && content.call_id !== "ROOM")) return "other-call";
  const createdAtMs = content.created_ts ?? event.sentAtMs;
  const chosen =
    content.focus_active.focus_selection === "multi_sfu" ? content.foci_preferred?.[0]?.livekit_service_url : undefined;
  return {
    userId: userId(event.sender),
    deviceId: deviceId(content.device_id),
    memberId: plainIdentity(event.sender, content.device_id),
    identity: plainIdentity(event.sender, content.device_id),
    eventId: event.eventId,
    createdAtMs,
    expiresAtMs: createdAtMs + (content.expires ?? DEFAULT_EXPIRES_MS),
    ...withTransport(chosen),
  };
};

/** Identity that the token service gives a sticky member (MSC4195): unpadded base64 of the SHA-256 of a JSON array. */
export const stickyIdentity = (user: string, device: string, memberId: string): string =>
  createHash("sha256")
    .update(JSON.stringify([user, device, memberId]))
    .digest("base64")
    .replace(/=+$/, "");

const readStickyMember = (event: MemberEvent): Verdict => {
  if (Object.keys(event.content).every((key) => key === "slot_id" || key.endsWith("sticky_key"))) return "left";
  const parsed = stickyContentSchema.safeParse(event.content);
  if (!parsed.success) return "broken";
  const { member, slot_id: slot, transports } = parsed.data;
  if (slot !== CALL_SLOT) return "other-call";
  if (member.user_id !== event.sender) return "foreign-sender";
  return {
    userId: userId(event.sender),
    deviceId: deviceId(member.device_id),
    memberId: member.id,
    identity: stickyIdentity(member.user_id, member.device_id, member.id),
    eventId: event.eventId,
    createdAtMs: event.sentAtMs,
    expiresAtMs: event.stickyUntilMs ?? 0,
    ...withTransport(transports.published[0]?.livekit_service_url),
  };
};

const stickyKeyOf = (event: MemberEvent): unknown => event.content["msc4354_sticky_key"] ?? event.content["sticky_key"];

/** A member that writes both kinds counts once, as its sticky event says (js-sdk 43, MatrixRTCSession.collectMembersEvents). */
const replacedBySticky = (state: MemberEvent, sticky: readonly MemberEvent[]): boolean =>
  sticky.some((event) => event.sender === state.sender && stickyKeyOf(event) === state.stateKey);

const isSlotClosed = (slot: CallMembersContext["slot"]): boolean => {
  if (slot === undefined) return false;
  const application = slot["application"];
  return slot["status"] !== "open" || !isRecord(application) || application["type"] !== "m.call";
};

/**
 * The members of a room's call that can be believed: the sender is the user in the state key or in `member.user_id`, is joined, and the
 * membership has not expired. A closed slot hides sticky members only, as in js-sdk 43. A room without members has no live call.
 */
export const readCallMembers = (events: readonly MemberEvent[], context: CallMembersContext): CallMembers => {
  const sticky = isSlotClosed(context.slot) ? [] : events.filter((event) => event.type === MEMBER_STICKY_EVENT);
  const state = events.filter((event) => event.type === MEMBER_STATE_EVENT && !replacedBySticky(event, sticky));
  const members: CallMember[] = [];
  const distrusted: { eventId: string; sender: string; why: Distrust }[] = [];
  for (const event of [...state, ...sticky]) {
    let verdict = event.type === MEMBER_STATE_EVENT ? readStateMember(event) : readStickyMember(event);
    if (verdict === "left" || verdict === "other-call") continue;
    if (typeof verdict !== "string" && !context.isJoined(event.sender)) verdict = "not-joined";
    if (typeof verdict !== "string" && verdict.expiresAtMs <= context.nowMs) verdict = "expired";
    if (typeof verdict === "string") distrusted.push({ eventId: event.eventId, sender: event.sender, why: verdict });
    else members.push(verdict);
  }
  return { members: members.sort((a, b) => a.createdAtMs - b.createdAtMs), distrusted };
};
