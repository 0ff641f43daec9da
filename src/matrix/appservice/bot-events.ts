import { EventShieldReason } from "matrix-js-sdk/lib/crypto-api/index.js";
import { MatrixEventEvent, type MatrixClient, type MatrixEvent } from "matrix-js-sdk";
import { z } from "zod";
import { roomId as toRoomId, userId, type RoomId, type UserId } from "../../ids.ts";

/** A text message that the bot may act on. */
export interface BotMessage {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly body: string;
  /** False when it came in clear in an encrypted room: anybody who runs a homeserver of the room could have written it. */
  readonly trustworthy: boolean;
}

/** An emoji that answers a message. Reactions are not encrypted, in encrypted rooms neither. */
export interface BotReaction {
  readonly room: RoomId;
  readonly sender: UserId;
  /** The message. */
  readonly eventId: string;
  readonly key: string;
}

export interface BotListeners {
  readonly onMessage: (message: BotMessage) => void;
  readonly onReaction: (reaction: BotReaction) => void;
}

export interface BotEventsDeps extends BotListeners {
  readonly client: MatrixClient;
  readonly startedAtMs: number;
  readonly nowMs: () => number;
  /** Our bot and ghosts: never answered. */
  readonly isOurs: (user: string) => boolean;
}

const reactionSchema = z.object({ "m.relates_to": z.object({ event_id: z.string(), key: z.string() }) });

/** A message that took longer (a federation outage, keys that came late) is not acted on: nobody waits for its answer any more. */
const MAX_AGE_MS = 5 * 60 * 1000;

/** The bot's own join: what was written before it was not written to the bot. */
const joinedAtMs = (client: MatrixClient, room: string): number =>
  client.getRoom(room)?.getMember(client.getSafeUserId())?.events.member?.getTs() ?? 0;

/** The sender of an event is only as good as the device that encrypted it: Megolm alone does not bind one to the other. */
const isSenderProven = async (client: MatrixClient, event: MatrixEvent): Promise<boolean> => {
  const info = await client.getCrypto()?.getEncryptionInfoForEvent(event);
  return info !== undefined && info !== null && info.shieldReason !== EventShieldReason.MISMATCHED_SENDER;
};

/** Finds, in what the bot's client syncs, the messages it may act on, and decrypts for that; keeps nothing. */
export const createBotEvents = (deps: BotEventsDeps): ((event: MatrixEvent) => void) => {
  const { client } = deps;

  const react = (room: RoomId, sender: UserId, event: MatrixEvent): void => {
    const { event_id: eventId, key } = reactionSchema.safeParse(event.getContent()).data?.["m.relates_to"] ?? {};
    if (eventId === undefined || key === undefined) return;
    if (client.getRoom(room)?.getMember(sender)?.membership === "join") deps.onReaction({ room, sender, eventId, key });
  };

  const consider = async (event: MatrixEvent): Promise<void> => {
    const room = event.getRoomId();
    const sender = event.getSender();
    if (room === undefined || sender === undefined) return;
    if (event.getType() === "m.reaction") return react(toRoomId(room), userId(sender), event);
    if (event.getType() !== "m.room.message") return;
    const { msgtype, body, "m.relates_to": relation } = event.getContent();
    if (msgtype !== "m.text" || typeof body !== "string") return;
    // An edit of an old message is not a new one.
    if ((relation as { rel_type?: unknown } | undefined)?.rel_type === "m.replace") return;
    if (client.getRoom(room)?.getMember(sender)?.membership !== "join") return;
    const encryptedRoom = client.getRoom(room)?.hasEncryptionStateEvent() ?? true;
    const trustworthy = event.isEncrypted() ? await isSenderProven(client, event) : !encryptedRoom;
    deps.onMessage({ room: toRoomId(room), sender: userId(sender), body, trustworthy });
  };

  // localTimestamp comes from the age that our homeserver tells, so its clock and ours need not agree.
  const isRecent = (event: MatrixEvent): boolean =>
    event.localTimestamp >= Math.max(deps.startedAtMs, deps.nowMs() - MAX_AGE_MS) &&
    event.getTs() >= joinedAtMs(client, event.getRoomId() ?? "");

  const decryptAndConsider = async (event: MatrixEvent): Promise<void> => {
    await client.decryptEventIfNeeded(event);
    if (event.isDecryptionFailure()) {
      // Its key may be on the way; js-sdk then tries again by itself.
      event.once(MatrixEventEvent.Decrypted, () => void decryptAndConsider(event));
    } else if (isRecent(event)) await consider(event);
  };

  return (event) => {
    if (event.isState() || event.status !== null || deps.isOurs(event.getSender() ?? "") || !isRecent(event)) return;
    void decryptAndConsider(event);
  };
};
