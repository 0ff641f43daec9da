import { toGatewayError } from "../../errors.ts";
import { serverOf } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { maskGhosts } from "../mask.ts";
import type { BotMessage } from "./bot-events.ts";
import { type CommandMessage, parseCommand } from "./commands.ts";
import { NOT_ENCRYPTED_TEXT } from "./notices.ts";

export interface AnsweringDeps {
  readonly run: (message: CommandMessage) => Promise<string>;
  readonly policy: { isKnownServer(server: string): boolean };
  readonly log: Log;
}

/** Obeys a message that is a command, and says what came of it. Never fails. */
export type Answering = (message: BotMessage, say: (text: string) => Promise<unknown>) => void;

export const createAnswering = ({ run, policy, log }: AnsweringDeps): Answering => {
  const answer = async ({ room, sender, body, trustworthy }: BotMessage, say: Parameters<Answering>[1]) => {
    const command = parseCommand(body);
    if (command === undefined || !policy.isKnownServer(serverOf(sender))) return;
    try {
      await say(trustworthy ? await run({ room, sender, command }) : NOT_ENCRYPTED_TEXT);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, roomId: room }, `a command was not answered: ${maskGhosts(message)}`);
    }
  };
  return (message, say) => void answer(message, say);
};
