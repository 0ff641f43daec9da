import { toGatewayError } from "../../errors.ts";
import { serverOf, type RoomId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { maskGhosts } from "../mask.ts";
import type { BotListeners, BotMessage, BotReaction } from "./bot-events.ts";
import { type CommandMessage, parseCommand } from "./commands.ts";
import { NOT_ENCRYPTED_TEXT } from "./notices.ts";

export interface AnsweringDeps {
  /** Sends a notice as the bot. Rejects with HOMESERVER_*. */
  readonly say: (room: RoomId, text: string) => Promise<unknown>;
  readonly isKnownServer: (server: string) => boolean;
  /** Runs a command; resolves with the answer. */
  readonly run: (message: CommandMessage) => Promise<string>;
  /** The same for a reaction; most need no answer. */
  readonly react: (reaction: BotReaction) => Promise<string | undefined>;
  readonly log: Log;
}

/** What the bot does with what people write, if their server is one that the policy names. */
export const createAnswering = ({ say, isKnownServer, run, react, log }: AnsweringDeps): BotListeners => {
  const tell = async (room: RoomId, text: string): Promise<void> => {
    try {
      await say(room, text);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, roomId: room }, `a command was not answered: ${maskGhosts(message)}`);
    }
  };
  const answer = async ({ room, sender, body, trustworthy }: BotMessage): Promise<void> => {
    const command = parseCommand(body);
    if (command === undefined || !isKnownServer(serverOf(sender))) return;
    await tell(room, trustworthy ? await run({ room, sender, command }) : NOT_ENCRYPTED_TEXT);
  };
  const answerReaction = async (reaction: BotReaction): Promise<void> => {
    if (!isKnownServer(serverOf(reaction.sender))) return;
    const words = await react(reaction);
    if (words !== undefined) await tell(reaction.room, words);
  };
  return {
    onMessage: (message) => void answer(message),
    onReaction: (reaction) => void answerReaction(reaction),
  };
};
