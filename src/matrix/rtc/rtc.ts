import type { RtcPort, SfuAccess } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import { userId as toUserId, type CallId, type DeviceId, type GhostUserId, type RoomId } from "../../ids.ts";
import { type ChatDevices, type ChatDevicesDeps, createChatDevices } from "../chats/chat-devices.ts";
import { createGhostSession, type GhostSession } from "./ghost-session.ts";
import { joinRoom, leaveRoom } from "../room/enter-room.ts";
import { cancelDelayedLeaves, deleteDevices, emptyMemberships } from "./leftovers.ts";
import { writeNoticeOnce } from "./notice-once.ts";
import type { SharedByDevices } from "./ghost-device.ts";
import type { GhostSessionDeps, GhostSessionRequest, SharedBySessions } from "./session-context.ts";
import { createSlots } from "../../slots.ts";
import { createStartAnswers } from "./start-answers.ts";
import { createSyncPace } from "./sync-pace.ts";
import { createTransports } from "./transports.ts";

export interface RtcDeps extends Omit<GhostSessionDeps, keyof SharedByDevices | keyof SharedBySessions> {
  /** `livekit_service_url` for a homeserver that names none. */
  readonly fallbackServiceUrl?: string | undefined;
  /** A message of a person in their chat with a number. */
  readonly onChatMessage?: ChatDevicesDeps["onMessage"];
}

export interface Rtc extends RtcPort {
  prepare(request: GhostSessionRequest, onFact: Parameters<RtcPort["prepare"]>[1]): Promise<SfuAccess>;
  /** LiveKit identities of those who can be heard at the SFU, as the call's worker sees it: nobody else's media key is awaited. */
  setSpeakers(call: CallId, identities: readonly string[]): void;
  /** With `leaveRoom` the ghost leaves the room as well: its call is over, not to be re-attached. */
  cleanUp(ghost: GhostUserId, room: RoomId, options?: { readonly leaveRoom: boolean }): Promise<void>;
  /** A notice by the ghost of a running call, encrypted where the room is. Rejects with GatewayError. */
  sendNotice(call: CallId, room: RoomId, text: string): Promise<void>;
  /** A notice by a ghost that has no call here: it joins, writes and leaves. Rejects with GatewayError. */
  noticeOnce(ghost: GhostUserId, room: RoomId, text: string): Promise<void>;
  readonly chatDevices: ChatDevices;
  /** Somebody who is not a phone has changed something in a room: its ghosts are to know at once, also where they look rarely. */
  roomChanged(room: RoomId): void;
}

/**
 * A homeserver makes the changes of a room one after the other: of forty ghosts that come at once the first ones would be in when all are, and
 * requests would time out.
 */
const MADE_READY_AT_ONCE = 6;
/** When the homeserver did not take everything back at the end of a call, it is tried again after these times. */
const CLEAN_UP_DELAYS_MS = [5_000, 10_000, 15_000, 30_000, 60_000, 300_000];

export const createRtc = (rtcDeps: RtcDeps): Rtc => {
  const liveDevices = new Set<DeviceId>();
  const callDevices = new Set<DeviceId>();
  const transports = createTransports(rtcDeps);
  const sessions = new Map<CallId, GhostSession>();
  /** Calls that are in their rooms and not about to leave. */
  const present = new Set<GhostSession>();
  const hasOtherSession: GhostSessionDeps["hasOtherSession"] = ({ callId, roomId, ghost }) =>
    [...present].some(
      ({ request }) => request.callId !== callId && request.roomId === roomId && request.ghost === ghost,
    );
  const isKeyHeld: GhostSessionDeps["isKeyHeld"] = (room, identity) =>
    [...present].some((session) => session.request.roomId === room && session.holdsKeyOf(identity));
  const nowMs = (): number => performance.now();
  const deviceDeps = {
    ...rtcDeps,
    liveDevices,
    syncPace: createSyncPace(nowMs),
    startAnswers: createStartAnswers(nowMs),
  };
  const chatDevices = createChatDevices({
    ...deviceDeps,
    isOurs: (user) => rtcDeps.isGhost(toUserId(user)),
    onMessage: (chat, message) => rtcDeps.onChatMessage?.(chat, message),
    nowMs: Date.now,
  });
  const deps: GhostSessionDeps = {
    ...deviceDeps,
    transports,
    hasOtherSession,
    isKeyHeld,
    inTurn: createSlots(MADE_READY_AT_ONCE),
    callDevices,
    borrowDevice: (chat) => chatDevices.borrow(chat),
  };
  const { homeserver, log } = deps;

  const sessionIn = (room: RoomId, ghost: GhostUserId): GhostSession | undefined =>
    [...sessions.values()].find(({ request }) => request.roomId === room && request.ghost === ghost);
  const sessionOf = (call: CallId): GhostSession => {
    const session = sessions.get(call);
    if (session === undefined) throw new GatewayError("CALL_NOT_FOUND", "This call has no Matrix session");
    return session;
  };

  const cleanUp: Rtc["cleanUp"] = async (ghost, roomId, options = { leaveRoom: false }) => {
    const isLive = sessionIn(roomId, ghost) !== undefined;
    const steps = [
      // The listing does not tell the delayed leave of a running session from an old one.
      ...(isLive ? [] : [() => cancelDelayedLeaves(homeserver, ghost, roomId)]),
      () => emptyMemberships(homeserver, { ghost, roomId, spare: callDevices }),
      ...(isLive || !options.leaveRoom ? [] : [() => leaveRoom(homeserver, ghost, roomId)]),
      () => deleteDevices(homeserver, { ghost, roomId, spare: liveDevices }),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };

  const cleanUpLater = (request: GhostSessionRequest, attempt = 0): void => {
    const delayMs = CLEAN_UP_DELAYS_MS[attempt];
    if (delayMs === undefined) {
      log.error({ callId: request.callId }, "a phone that left could not be removed from its room");
      return;
    }
    const retry = (): void => {
      const options = { leaveRoom: request.person === undefined };
      cleanUp(request.ghost, request.roomId, options).catch(() => cleanUpLater(request, attempt + 1));
    };
    setTimeout(retry, delayMs).unref();
  };

  const end = async (session: GhostSession): Promise<void> => {
    present.delete(session);
    const clean = await session.leave();
    sessions.delete(session.request.callId);
    if (!clean) cleanUpLater(session.request);
  };

  return {
    prepare: async (request, onFact) => {
      if (sessions.has(request.callId)) throw new GatewayError("INTERNAL", "this call has a Matrix session already");
      const session = createGhostSession(deps, request, onFact);
      sessions.set(request.callId, session);
      present.add(session);
      try {
        return await session.prepare();
      } catch (error) {
        // Taken back in the background: the caller need not wait to hear why.
        void end(session);
        throw error;
      }
    },
    publish: async (call, options) => sessionOf(call).publish(options),
    keysExchanged: async (call) => sessionOf(call).keysExchanged(),
    setSpeakers: (call, identities) => sessions.get(call)?.setSpeakers(identities),
    ring: async (call, lifetimeMs) => sessionOf(call).ring(lifetimeMs),
    raiseHand: async (call, isRaised) => sessionOf(call).raiseHand(isRaised),
    showHold: async (call, isHeld) => sessionOf(call).showHold(isHeld),
    renewAccess: async (call) => sessionOf(call).renewAccess(),
    leave: async (call) => {
      const session = sessions.get(call);
      if (session !== undefined) await end(session);
    },
    cleanUp,
    roomChanged: (room) => deps.syncPace.hurry(room),
    chatDevices,
    sendNotice: async (call, _room, text) => sessionOf(call).sendNotice(text),
    noticeOnce: async (ghost, room, text) => {
      const session = sessionIn(room, ghost);
      if (session !== undefined) {
        await session.sendNotice(text);
        return;
      }
      await joinRoom(homeserver, ghost, room);
      try {
        await writeNoticeOnce(deps, ghost, room, text);
      } finally {
        await leaveRoom(homeserver, ghost, room);
      }
    },
  };
};
