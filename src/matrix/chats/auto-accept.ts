import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type GhostUserId, roomId, type UserId } from "../../ids.ts";
import type { MatrixCheck } from "../health.ts";
import { type Homeserver, matrixPath } from "../homeserver.ts";
import { leaveRoom } from "../room/enter-room.ts";

export interface AutoAcceptDeps {
  readonly homeserver: Homeserver;
  readonly botUserId: UserId;
  /** Exists, and may be invited into a room that nobody else sees. */
  readonly ghost: GhostUserId;
}

/** Synapse joins a user a few ms after the invite. */
const JOIN_TIMEOUT_MS = 1000;
const POLL_MS = 50;

const createdSchema = z.object({ room_id: z.string() });
const memberSchema = z.object({ membership: z.string() });

/**
 * Whether users of the homeserver are in direct chats as soon as they are invited (Synapse's `auto_accept_invites`): only who is in a chat
 * is rung there. Nothing tells, so a ghost is invited. Rejects with HOMESERVER_*.
 */
export const checkAutoAccept = async ({ homeserver, botUserId, ghost }: AutoAcceptDeps): Promise<MatrixCheck> => {
  const body = { preset: "private_chat", is_direct: true, invite: [ghost] };
  const bot = { userId: botUserId };
  const path = matrixPath("client/v3", "createRoom");
  const created = await homeserver.request({ method: "POST", path, body, as: bot });
  const room = roomId(createdSchema.parse(created).room_id);
  const isJoined = async (): Promise<boolean> => {
    const member = matrixPath("client/v3", "rooms", room, "state", "m.room.member", ghost);
    return memberSchema.parse(await homeserver.request({ method: "GET", path: member, as: bot })).membership === "join";
  };
  const giveUpAtMs = performance.now() + JOIN_TIMEOUT_MS;
  let ok = await isJoined();
  while (!ok && performance.now() < giveUpAtMs) {
    await delay(POLL_MS);
    ok = await isJoined();
  }
  for (const userId of [ghost, botUserId]) {
    await leaveRoom(homeserver, userId, room);
    const forget = matrixPath("client/v3", "rooms", room, "forget");
    await homeserver.request({ method: "POST", path: forget, body: {}, as: { userId } });
  }
  if (ok) return { ok, text: "people are in their chats with numbers at once (auto_accept_invites)" };
  return {
    ok,
    text: "people have to accept chats with numbers: until then they are rung in the chat with a number of their own",
    fix: "set auto_accept_invites in homeserver.yaml (deploy/synapse/homeserver-matrixrtc.yaml)",
  };
};
