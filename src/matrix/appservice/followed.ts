import { toGatewayError } from "../../errors.ts";
import type { ConferenceId, RoomId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { Bot } from "./bot.ts";
import { DIALIN_EVENT, dialinInvitation, dialinState } from "./dialin-commands.ts";

/** The bot has joined, and is told of it by its next sync. */
const SYNC_TIMEOUT_MS = 10_000;

export interface FollowedDeps {
  readonly bot: Pick<Bot, "say" | "untilIn">;
  readonly numbers: readonly string[];
  readonly writeState: (room: RoomId, type: string, content: object) => Promise<void>;
  readonly log: Log;
}

/** What a room hears and shows that can be dialled by the number of the room which it has replaced. Resolves when it is on its way. */
export const createFollowed = ({ bot, numbers, writeState, log }: FollowedDeps) => {
  const tell = async (room: RoomId, conferenceId: ConferenceId): Promise<void> => {
    try {
      await bot.untilIn(room, SYNC_TIMEOUT_MS);
      const words = `${dialinInvitation(numbers, conferenceId)}\nThat is as before the upgrade of the room, and the PIN is the same.`;
      await bot.say(room, words);
    } catch (thrown) {
      const { code } = toGatewayError(thrown);
      log.info({ roomId: room, code }, "a room was not told that its dial-in has followed");
    }
  };
  return async (room: RoomId, conferenceId: ConferenceId): Promise<void> => {
    // Not waited for: other events are behind this one.
    void tell(room, conferenceId);
    await writeState(room, DIALIN_EVENT, dialinState(numbers, conferenceId));
  };
};
