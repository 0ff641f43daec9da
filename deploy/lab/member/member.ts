import { setTimeout as delay } from "node:timers/promises";

import { type MatrixRTCSession, MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc/index.js";

import { useEveryKey } from "../../../src/matrix/rtc/sdk-workarounds.ts";
import { createHearing, type HeardTone, nowMs } from "./hearing.ts";
import { type MemberMatrix, type ReadMessage, requestSfuAccess, startMatrix, watchMessages } from "./matrix.ts";
import { connectSfu, SFU_RATE_HZ, type SfuConnection } from "./sfu.ts";
import { type Burst, startTalker } from "./talker.ts";
import type { HeardFrequency } from "./tone-detection.ts";

export interface LabMemberOptions {
  readonly homeserverUrl: string;
  readonly user: { readonly userId: string; readonly password: string };
  readonly roomId: string;
  /** Sticky membership and hashed identity (Element Call's `matrix_2_0`) instead of the state event. */
  readonly sticky?: boolean;
  /** Subscribe to the others, or to these users only. Default true; a member that only talks costs less. */
  readonly hears?: boolean | readonly string[];
  /**
   * Only log in, and wait for join(). In an encrypted room a sticky membership is an encrypted event, which devices made
   * after it was sent cannot read: whoever is to see it must be there before.
   */
  readonly joinLater?: boolean;
  /** Rings the others when it joins as the first, as Element Call does in a chat of two. */
  readonly rings?: boolean;
  /** How much of what was heard is kept. Default 30 s. */
  readonly keepMs?: number;
}

export interface CallMember {
  readonly userId: string;
  readonly deviceId: string;
  /** LiveKit identity. */
  readonly identity: string;
}

export interface HearFrom {
  /** Default 10 s. */
  readonly withinMs?: number;
  /** Default -40 dBFS. */
  readonly minLevelDbfs?: number;
  /** Only what arrived after this moment (epoch ms) counts. Default: from now on. */
  readonly sinceMs?: number;
}

/** A member of a call without a browser: js-sdk and rtc-node. Every method is a promise, so that it can live elsewhere. */
export interface LabMember extends AsyncDisposable, CallMember {
  /** Resolves when the own membership is in the room and the microphone is on the SFU, silent. Only after `joinLater` or `leaveCall`. */
  join(): Promise<void>;
  /** Leaves the call and the SFU, and may join again; resolves when the own membership is seen to be gone. */
  leaveCall(): Promise<void>;
  /** A steady tone from now on; 0 is silence, which is how it starts. Frames are sent all the time. */
  publishTone(frequencyHz: number, levelDbfs?: number): Promise<void>;
  /** A short tone; resolves after it with the moment (epoch ms) its first 10 ms went to the encoder. */
  publishBurst(burst: Burst): Promise<{ sentAtMs: number }>;
  /**
   * Resolves when the tone is heard from a member (user id or identity) or from "any", with the arrival of the first
   * 10 ms frame that carries it. Rejects naming every tone that was heard instead.
   */
  hear(from: string, frequencyHz: number, options?: HearFrom): Promise<HeardTone>;
  heardSince(sinceMs: number): Promise<(HeardFrequency & { source: string })[]>;
  /** What was heard, mixed: 48 kHz mono. */
  recording(): Promise<Int16Array>;
  members(): Promise<CallMember[]>;
  waitForMember(userId: string, withinMs?: number): Promise<CallMember>;
  waitForNoMember(userId: string, withinMs?: number): Promise<void>;
  /** When this member's present media key came into use (epoch ms); undefined in a plain room. */
  ownKeySinceMs(): Promise<number | undefined>;
  sendMessage(body: string): Promise<string>;
  /** The first message read so far, or from now on, with this text in it, by that sender if given. */
  waitForMessage(text: string, sender?: string, withinMs?: number): Promise<ReadMessage>;
  invite(userId: string): Promise<void>;
  /** Leaves the call and the SFU and deletes the device. */
  leave(): Promise<void>;
}

const HEARING_WINDOW_MS = 60;
const POLL_MS = 20;
// Element Call's own values: others judge a member by them.
const DELAYED_LEAVE_MS = 18_000;
const DELAYED_LEAVE_RESTART_MS = 4000;
// The SDK gives up after ten, half a minute: on a busy machine the homeserver's restart takes longer.
const NETWORK_RETRIES = 100;

/** Logs in, and joins the call unless that is for later. */
export async function startLabMember(options: LabMemberOptions): Promise<LabMember> {
  const matrix = await startMatrix({ ...options, ...options.user });
  const ends: (() => Promise<unknown>)[] = [() => matrix.client.logout(true)];
  const leave = (): Promise<void> => runAll(ends);
  try {
    const member = await createMember(options, matrix, ends, leave);
    if (options.joinLater !== true) await member.join();
    return member;
  } catch (error) {
    await leave().catch(() => {});
    throw error;
  }
}

/** Last begun, first ended; a second call finds nothing to do. */
async function runAll(ends: (() => Promise<unknown>)[]): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

async function createMember(
  options: LabMemberOptions,
  matrix: MemberMatrix,
  ends: (() => Promise<unknown>)[],
  leave: () => Promise<void>,
): Promise<LabMember> {
  const { client, room, userId, deviceId, encrypted } = matrix;
  const messages: ReadMessage[] = [];
  watchMessages(matrix, (message) => messages.push(message));
  const session = client.matrixRTC.getRoomSession(room);
  const members = trackMembers(session);
  const access = await requestSfuAccess(matrix, options.sticky ?? false);
  const keepMs = options.keepMs ?? 30_000;
  const hearing = createHearing({ sampleRateHz: SFU_RATE_HZ, windowMs: HEARING_WINDOW_MS, keepMs });
  const onFrame = (identity: string, pcm: Int16Array, atMs: number): void => hearing.add(identity, pcm, atMs);
  let sfu: SfuConnection | undefined;
  const talker = startTalker(SFU_RATE_HZ, (pcm) => sfu?.capture(pcm));
  ends.push(async () => talker.stop());
  let ownKeySinceMs: number | undefined;
  session.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, index, _member, identity) => {
    if (identity === access.identity) ownKeySinceMs = nowMs();
    sfu?.setKey(identity, index, key);
  });
  const callEnds: (() => Promise<unknown>)[] = [];
  const endCall = (): Promise<void> => runAll(callEnds);
  ends.push(endCall);

  const join = async (): Promise<void> => {
    const connected = await connectSfu({
      ...access,
      encrypted,
      onFrame: options.hears === false ? undefined : onFrame,
      ...(Array.isArray(options.hears) && { onlyFrom: options.hears }),
    });
    sfu = connected;
    callEnds.push(async () => {
      sfu = undefined;
      await connected.close();
    });
    session.joinRTCSession({ userId, deviceId, memberId: access.memberId }, [], access.transport, {
      manageMediaKeys: encrypted,
      callIntent: "audio",
      delayedLeaveEventDelayMs: DELAYED_LEAVE_MS,
      delayedLeaveEventRestartMs: DELAYED_LEAVE_RESTART_MS,
      maximumNetworkErrorRetryCount: NETWORK_RETRIES,
      unstableSendStickyEvents: options.sticky ?? false,
      ...(options.rings === true && { notificationType: "ring" }),
    });
    // A fault of the SDK, which Element Call may have too (README, limits): it is not what the gateway's tests look for.
    useEveryKey(session);
    callEnds.push(() => session.leaveRoomSession(5000));
    await members.wait(access.identity, 15_000);
  };

  return {
    userId,
    deviceId,
    identity: access.identity,
    join,
    leaveCall: async () => {
      await endCall();
      await members.waitGone(access.identity, 15_000);
    },
    publishTone: async (frequencyHz, levelDbfs) => talker.tone(frequencyHz, levelDbfs),
    publishBurst: (burst) => talker.burst(burst),
    hear: (from, frequencyHz, hear = {}) =>
      hearing.hear(frequencyHz, {
        ...hear,
        fromWhom: from,
        from: (source) => from === "any" || source === from || members.userOf(source) === from,
      }),
    heardSince: async (sinceMs) => hearing.heardSince(sinceMs),
    recording: async () => hearing.recording(),
    members: async () => members.now(),
    waitForMember: (who, withinMs = 10_000) => members.wait(who, withinMs),
    waitForNoMember: (who, withinMs = 10_000) => members.waitGone(who, withinMs),
    ownKeySinceMs: async () => ownKeySinceMs,
    sendMessage: async (body) => (await client.sendTextMessage(room.roomId, body)).event_id,
    waitForMessage: (text, sender, withinMs = 10_000) =>
      until(
        () => `a message with "${text}"; read: ${messages.map((message) => message.body).join(" | ")}`,
        withinMs,
        () => messages.find((each) => each.body.includes(text) && (sender === undefined || each.sender === sender)),
      ),
    invite: async (who) => {
      await client.invite(room.roomId, who);
    },
    leave,
    [Symbol.asyncDispose]: leave,
  };
}

async function until<T>(what: () => string, withinMs: number, look: () => T | undefined): Promise<T> {
  for (const endMs = nowMs() + withinMs; ; await delay(POLL_MS)) {
    const found = look();
    if (found !== undefined) return found;
    if (nowMs() > endMs) throw new Error(`waited ${withinMs / 1000} s for ${what()}`);
  }
}

interface Members {
  now(): CallMember[];
  /** User of an identity, also after it has left. */
  userOf(identity: string): string | undefined;
  wait(userOrIdentity: string, withinMs: number): Promise<CallMember>;
  waitGone(userOrIdentity: string, withinMs: number): Promise<void>;
}

function trackMembers(session: MatrixRTCSession): Members {
  const users = new Map<string, string>();
  const now = (): CallMember[] =>
    session.memberships.map((each) => ({
      userId: each.userId,
      deviceId: each.deviceId,
      identity: each.rtcBackendIdentity,
    }));
  const remember = (): void => {
    for (const { identity, userId } of now()) users.set(identity, userId);
  };
  remember();
  session.on(MatrixRTCSessionEvent.MembershipsChanged, remember);
  const find = (who: string): CallMember | undefined =>
    now().find(({ userId, identity }) => userId === who || identity === who);
  return {
    now,
    userOf: (identity) => users.get(identity),
    wait: (who, withinMs) =>
      until(
        () => `${who} to join the call`,
        withinMs,
        () => find(who),
      ),
    waitGone: async (who, withinMs) => {
      await until(
        () => `${who} to leave the call`,
        withinMs,
        () => (find(who) === undefined ? true : undefined),
      );
    },
  };
}
