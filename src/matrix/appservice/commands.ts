import type { CallRecord, CallService, CallStateName } from "../../calls/ports.ts";
import { toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber } from "../../numbering/format.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import { parseNumber } from "../../numbering/parse.ts";
import { callLine, duration } from "../../personal/lines.ts";
import { maskGhosts } from "../mask.ts";
import { BINDING_HELP, type BindingCommand, type BindingMessage, parseBindingCommand } from "./binding-commands.ts";
import { DIALIN_HELP, type DialinAction, type DialinMessage, parseDialin } from "./dialin-commands.ts";
import { findPhone, phoneName } from "./find-phone.ts";
import {
  MODERATOR_HELP,
  type ModeratorCommand,
  type ModeratorMessage,
  parseModeratorCommand,
} from "./moderator-commands.ts";
import { errorWords } from "./words.ts";

export type Command =
  | { readonly name: "add"; readonly number: string; readonly confirm?: "key" }
  | { readonly name: "call"; readonly number: string }
  | { readonly name: "hangup"; readonly number?: string }
  | { readonly name: "list" }
  | { readonly name: "history" }
  | { readonly name: "transfer"; readonly number: string }
  | { readonly name: "keys"; readonly keys: string }
  | { readonly name: "dialin"; readonly action: DialinAction }
  | ModeratorCommand
  | BindingCommand
  | { readonly name: "help" };

/** Longest number worth reading; what people type around the digits included. */
const MAX_NUMBER_CHARS = 64;
/** A user id is up to 255 bytes long. */
const MAX_REST_CHARS = 400;

const parseAdd = (rest: string): Command => {
  const number = rest.replace(/\s+confirm$/i, "");
  if (number === "" || /^confirm$/i.test(number)) return { name: "help" };
  return number === rest ? { name: "add", number } : { name: "add", number, confirm: "key" };
};

/** The command in a message; undefined when it is none. What begins with `!phone` and is not understood asks for help. */
export const parseCommand = (body: string): Command | undefined => {
  const [, verb = "", rest = ""] = /^!phone(?:\s+(\S+)(?:\s+([^]*))?)?\s*$/i.exec(body) ?? [];
  if (!/^!phone(\s|$)/i.test(body)) return undefined;
  const number = rest.trim().slice(0, MAX_NUMBER_CHARS);
  switch (verb.toLowerCase()) {
    case "add":
      return parseAdd(number);
    case "call":
      return number === "" ? { name: "help" } : { name: "call", number };
    case "hangup":
    // For moderators of other systems; who may do it is the same.
    case "drop":
      return number === "" ? { name: "hangup" } : { name: "hangup", number };
    case "list":
    case "history":
      return { name: verb.toLowerCase() as "list" | "history" };
    case "transfer":
      return number === "" ? { name: "help" } : { name: "transfer", number };
    case "keys":
      return number === "" ? { name: "help" } : { name: "keys", keys: number };
    case "dialin": {
      const action = parseDialin(number);
      return action === undefined ? { name: "help" } : { name: "dialin", action };
    }
    default:
      return (
        parseModeratorCommand(verb.toLowerCase(), number) ??
        parseBindingCommand(verb.toLowerCase(), rest.trim().slice(0, MAX_REST_CHARS)) ?? { name: "help" }
      );
  }
};

export const HELP = [
  "!phone add NUMBER [confirm]: calls a phone into this room's call, for example !phone add +33 1 40 50 60 70; with confirm it has to press 1 first",
  "!phone call NUMBER: makes a chat with a number, in which you can call it",
  "!phone hangup [NUMBER]: ends it",
  "!phone list: the phones in this room's call",
  "!phone keys KEYS: presses keys in the call, for example !phone keys 123#",
  "!phone transfer NUMBER: connects the phone of this call with another number, and leaves",
  "!phone history: the last calls of this room",
  DIALIN_HELP,
  MODERATOR_HELP,
  BINDING_HELP,
  "!phone help: this text",
].join("\n");

const STATE_WORDS = {
  routing: "is being called",
  alerting: "is ringing",
  connecting: "is being connected",
  active: "is in the call",
  ending: "is leaving",
  ended: "has left",
} as const satisfies Record<CallStateName, string>;

const clockTime = (atMs: number): string => `${new Date(atMs).toISOString().slice(11, 16)} UTC`;

const NO_PHONE = "There is no phone in this room's call.";

const listLine = (call: CallRecord, nowMs: number): string => {
  const sinceMs = call.answeredAtMs ?? call.createdAtMs;
  return `${phoneName(call)} ${STATE_WORDS[call.state]} since ${clockTime(sinceMs)} (${duration(nowMs - sinceMs)})`;
};

const HISTORY_LINES = 10;

const historyLine = (call: CallRecord): string => {
  const at = new Date(call.createdAtMs).toISOString();
  return `${at.slice(0, 10)} ${at.slice(11, 16)} UTC, ${phoneName(call)}: ${callLine(call)}`;
};

export interface CommandsDeps {
  readonly calls: Pick<CallService, "add" | "hangup" | "inRoom" | "atDoor" | "list" | "press" | "transfer">;
  /** `!phone dialin …`; rejects with GatewayError. */
  readonly dialin: (message: DialinMessage) => Promise<string>;
  /** What moderators ask for; rejects with GatewayError. */
  readonly moderate: (message: ModeratorMessage) => Promise<string>;
  /** `!phone call`; rejects with GatewayError. */
  readonly openChat: (person: UserId, number: string) => Promise<string>;
  /** Whose a number is; rejects with GatewayError. */
  readonly bindings: (message: BindingMessage) => Promise<string>;
  readonly numberPlan: NumberPlan;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface CommandMessage {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly command: Command;
}

/** Runs a command and resolves with what to answer in the room; never rejects. */
export const createCommands = (deps: CommandsDeps): ((message: CommandMessage) => Promise<string>) => {
  const { calls, numberPlan, nowMs, log } = deps;

  const add = async (
    room: RoomId,
    sender: UserId,
    { number, confirm }: { readonly number: string; readonly confirm?: "key" },
  ): Promise<string> => {
    const how = { via: "command" as const, ...(confirm === undefined ? {} : { confirm }) };
    const call = await calls.add({ roomId: room, number, subject: { kind: "user", userId: sender }, ...how });
    return `Calling ${formatNumber(call.number)} …`;
  };

  const phoneIn = (room: RoomId, number: string | undefined, verb: string): CallRecord => {
    return findPhone(calls.inRoom(room), number, { plan: numberPlan, verb, none: NO_PHONE });
  };

  const hangup = async (room: RoomId, sender: UserId, number: string | undefined): Promise<string> => {
    const { callId } = phoneIn(room, number, "hangup");
    const call = await calls.hangup({ callId, subject: { kind: "user", userId: sender } });
    return `Hung up ${phoneName(call)}.`;
  };

  const press = async (room: RoomId, sender: UserId, keys: string): Promise<string> => {
    const { callId } = phoneIn(room, undefined, "keys");
    await calls.press({ callId, subject: { kind: "user", userId: sender }, keys });
    return "Pressed.";
  };

  const transfer = async (room: RoomId, sender: UserId, number: string): Promise<string> => {
    const call = phoneIn(room, undefined, "transfer");
    await calls.transfer({ callId: call.callId, subject: { kind: "user", userId: sender }, number });
    return `${phoneName(call)} is being connected with ${formatNumber(parseNumber(number, numberPlan))}.`;
  };

  const history = (room: RoomId): string => {
    const lines = calls.list({ roomId: room, limit: HISTORY_LINES }).map(historyLine);
    return lines.length === 0 ? "There was no call in this room." : lines.join("\n");
  };

  const list = (room: RoomId): string => {
    const lines = [
      ...calls.inRoom(room).map((call) => listLine(call, nowMs())),
      ...calls.atDoor(room).map((caller) => `${phoneName(caller)} waits to be let in`),
    ];
    return lines.length === 0 ? NO_PHONE : lines.join("\n");
  };

  const run = ({ room, sender, command }: CommandMessage): string | Promise<string> => {
    switch (command.name) {
      case "add":
        return add(room, sender, command);
      case "call":
        return deps.openChat(sender, command.number);
      case "hangup":
        return hangup(room, sender, command.number);
      case "list":
        return list(room);
      case "history":
        return history(room);
      case "transfer":
        return transfer(room, sender, command.number);
      case "keys":
        return press(room, sender, command.keys);
      case "dialin":
        return deps.dialin({ room, sender, action: command.action });
      case "help":
        return HELP;
      case "mute":
      case "unmute":
      case "admit":
      case "refuse":
      case "lock":
      case "unlock":
      case "who":
        return deps.moderate({ room, sender, command });
      case "bind":
      case "unbind":
      case "bindings":
      case "claim":
        return deps.bindings({ room, sender, command });
    }
  };

  return async (message) => {
    try {
      return await run(message);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      const fields = { code: error.code, roomId: message.room, command: message.command.name };
      // What people read may name numbers; the log gets the words of unforeseen errors only.
      if (error.code === "INTERNAL") log.error(fields, `command failed: ${maskGhosts(error.message)}`);
      else log.info(fields, "command refused");
      return errorWords(error);
    }
  };
};
