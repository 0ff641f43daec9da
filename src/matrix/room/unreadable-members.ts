import { ClientEvent, MatrixEventEvent, type MatrixClient, type MatrixEvent } from "matrix-js-sdk";
import { userId, type RoomId, type UserId } from "../../ids.ts";

/** Who has sent sticky events into encrypted rooms that a client's device cannot decrypt: probably members of a call. */
export interface UnreadableMembers {
  in(room: RoomId): readonly UserId[];
}

/**
 * Watches a client, whose sticky events must be repaired (rtc/sdk-workarounds.ts). An event that stays encrypted was sent before the device
 * was in the room, or existed; its type is part of what is encrypted.
 */
export const watchUnreadableMembers = (client: MatrixClient, nowMs: () => number): UnreadableMembers => {
  const byRoom = new Map<string, Map<string, MatrixEvent>>();

  const forget = (room: string, event: MatrixEvent): void => {
    const events = byRoom.get(room);
    events?.delete(event.getId() ?? "");
    if (events?.size === 0) byRoom.delete(room);
  };

  const note = async (event: MatrixEvent, room: string): Promise<void> => {
    await client.decryptEventIfNeeded(event);
    if (!event.isDecryptionFailure()) return forget(room, event);
    const events = byRoom.get(room) ?? new Map<string, MatrixEvent>();
    byRoom.set(room, events.set(event.getId() ?? "", event));
    event.once(MatrixEventEvent.Decrypted, () => void note(event, room));
  };

  client.on(ClientEvent.Event, (event) => {
    const room = event.getRoomId();
    if (room !== undefined && event.unstableStickyInfo !== undefined && event.isEncrypted()) void note(event, room);
  });

  return {
    in: (room) => {
      const events = [...(byRoom.get(room)?.values() ?? [])];
      events.filter((event) => (event.unstableStickyExpiresAt ?? 0) <= nowMs()).forEach((event) => forget(room, event));
      const senders = [...(byRoom.get(room)?.values() ?? [])].map((event) => event.getSender() ?? "");
      return [...new Set(senders)].map(userId);
    },
  };
};
