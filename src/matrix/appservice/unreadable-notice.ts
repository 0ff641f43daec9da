import { toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { UNREADABLE_MEMBER_TEXT } from "./notices.ts";

export interface UnreadableNoticeDeps {
  /** Sends a notice as the bot. Rejects with HOMESERVER_*. */
  readonly say: (room: RoomId, text: string) => Promise<unknown>;
  readonly onUnreadable: (room: RoomId, count: number) => void;
  readonly log: Log;
}

/** Tells a room, once per member, that phones cannot hear members whose memberships cannot be decrypted. */
export const createUnreadableNotice = ({
  say,
  onUnreadable,
  log,
}: UnreadableNoticeDeps): ((room: RoomId, users: readonly UserId[]) => void) => {
  const told = new Set<string>();
  return (room, users) => {
    const who = users.filter((user) => !told.has(`${room} ${user}`));
    if (who.length === 0) return;
    for (const user of who) told.add(`${room} ${user}`);
    log.warn({ roomId: room, members: who.length }, "memberships of a call cannot be decrypted");
    onUnreadable(room, who.length);
    say(room, UNREADABLE_MEMBER_TEXT).catch((thrown: unknown) => {
      log.warn({ roomId: room, code: toGatewayError(thrown).code }, "notice not sent");
    });
  };
};
