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

type Say = (text: string) => Promise<unknown>;

export interface Answering extends BotListeners {
  /** Obeys a message that is a command, and says what came of it: as the bot, or as who is there instead of it. Never fails. */
  readonly onMessage: (message: BotMessage, say?: Say) => void;
}

/** What is done with what people write, if their server is one that the policy names. */
export const createAnswering = ({ say, isKnownServer, run, react, log }: AnsweringDeps): Answering => {
  const sayAsBot =
    (room: RoomId): Say =>
    (text) =>
      say(room, text);
  const tell = async (room: RoomId, text: string, sayThere: Say): Promise<void> => {
    try {
      await sayThere(text);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, roomId: room }, `a command was not answered: ${maskGhosts(message)}`);
    }
  };
  const answer = async ({ room, sender, body, trustworthy }: BotMessage, sayThere: Say): Promise<void> => {
    const command = parseCommand(body);
    if (command === undefined || !isKnownServer(serverOf(sender))) return;
    await tell(room, trustworthy ? await run({ room, sender, command }) : NOT_ENCRYPTED_TEXT, sayThere);
  };
  const answerReaction = async (reaction: BotReaction): Promise<void> => {
    if (!isKnownServer(serverOf(reaction.sender))) return;
    const words = await react(reaction);
    if (words !== undefined) await tell(reaction.room, words, sayAsBot(reaction.room));
  };
  return {
    onMessage: (message, sayThere = sayAsBot(message.room)) => void answer(message, sayThere),
    onReaction: (reaction) => void answerReaction(reaction),
  };
};
