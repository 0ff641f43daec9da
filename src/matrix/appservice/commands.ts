import type { CallRecord, CallService, CallStateName } from "../../calls/ports.ts";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber } from "../../numbering/format.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import { parseNumber } from "../../numbering/parse.ts";
import { callLine, duration } from "../../personal/lines.ts";
import { canonicalDigits } from "../../numbering/phone-number.ts";
import { maskGhosts } from "../mask.ts";
import { DIALIN_HELP, type DialinAction, type DialinMessage, parseDialin } from "./dialin-commands.ts";
import { errorWords } from "./words.ts";

export type Command =
  | { readonly name: "add"; readonly number: string }
  | { readonly name: "call"; readonly number: string }
  | { readonly name: "hangup"; readonly number?: string }
  | { readonly name: "list" }
  | { readonly name: "history" }
  | { readonly name: "transfer"; readonly number: string }
  | { readonly name: "keys"; readonly keys: string }
  | { readonly name: "dialin"; readonly action: DialinAction }
  | { readonly name: "help" };

/** Longest number worth reading; what people type around the digits included. */
const MAX_NUMBER_CHARS = 64;

/** The command in a message; undefined when it is none. What begins with `!phone` and is not understood asks for help. */
export const parseCommand = (body: string): Command | undefined => {
  const [, verb = "", rest = ""] = /^!phone(?:\s+(\S+)(?:\s+([^]*))?)?\s*$/i.exec(body) ?? [];
  if (!/^!phone(\s|$)/i.test(body)) return undefined;
  const number = rest.trim().slice(0, MAX_NUMBER_CHARS);
  switch (verb.toLowerCase()) {
    case "add":
      return number === "" ? { name: "help" } : { name: "add", number };
    case "call":
      return number === "" ? { name: "help" } : { name: "call", number };
    case "hangup":
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
      return { name: "help" };
  }
};

export const HELP = [
  "!phone add NUMBER: calls a phone into this room's call, for example !phone add +33 1 40 50 60 70",
  "!phone call NUMBER: makes a chat with a number, in which you can call it",
  "!phone hangup [NUMBER]: ends it",
  "!phone list: the phones in this room's call",
  "!phone keys KEYS: presses keys in the call, for example !phone keys 123#",
  "!phone transfer NUMBER: connects the phone of this call with another number, and leaves",
  "!phone history: the last calls of this room",
  DIALIN_HELP,
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

/** Numbers of inbound callers may be masked. */
const nameOf = (call: CallRecord): string => call.name ?? formatNumber(call.number);

const listLine = (call: CallRecord, nowMs: number): string => {
  const sinceMs = call.answeredAtMs ?? call.createdAtMs;
  return `${nameOf(call)} ${STATE_WORDS[call.state]} since ${clockTime(sinceMs)} (${duration(nowMs - sinceMs)})`;
};

const HISTORY_LINES = 10;

const historyLine = (call: CallRecord): string => {
  const at = new Date(call.createdAtMs).toISOString();
  return `${at.slice(0, 10)} ${at.slice(11, 16)} UTC, ${nameOf(call)}: ${callLine(call)}`;
};

export interface CommandsDeps {
  readonly calls: Pick<CallService, "add" | "hangup" | "inRoom" | "list" | "press" | "transfer">;
  /** `!phone dialin …`; rejects with GatewayError. */
  readonly dialin: (message: DialinMessage) => Promise<string>;
  /** `!phone call`; rejects with GatewayError. */
  readonly openChat: (person: UserId, number: string) => Promise<string>;
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

  const add = async (room: RoomId, sender: UserId, number: string): Promise<string> => {
    const call = await calls.add({ roomId: room, number, subject: { kind: "user", userId: sender }, via: "command" });
    return `Calling ${formatNumber(call.number)} …`;
  };

  const toHangUp = (room: RoomId, number: string | undefined): CallRecord => {
    const running = calls.inRoom(room).filter((call) => call.state !== "ending" && call.state !== "ended");
    if (number === undefined) {
      const [only, another] = running;
      if (only === undefined) throw new GatewayError("CALL_NOT_FOUND", "There is no phone in this room's call.");
      if (another === undefined) return only;
      const numbers = running.map(nameOf).join(", ");
      throw new GatewayError("BAD_REQUEST", `Which one? Write !phone hangup and one of ${numbers}.`);
    }
    const named = running.find((one) => one.name === number);
    if (named !== undefined) return named;
    const digits = canonicalDigits(parseNumber(number, numberPlan));
    const call = running.find((one) => canonicalDigits(one.number) === digits);
    if (call === undefined) throw new GatewayError("CALL_NOT_FOUND", "That number is not in this room's call.");
    return call;
  };

  const hangup = async (room: RoomId, sender: UserId, number: string | undefined): Promise<string> => {
    const { callId } = toHangUp(room, number);
    const call = await calls.hangup({ callId, subject: { kind: "user", userId: sender } });
    return `Hung up ${nameOf(call)}.`;
  };

  const press = async (room: RoomId, sender: UserId, keys: string): Promise<string> => {
    const { callId } = toHangUp(room, undefined);
    await calls.press({ callId, subject: { kind: "user", userId: sender }, keys });
    return "Pressed.";
  };

  const transfer = async (room: RoomId, sender: UserId, number: string): Promise<string> => {
    const call = toHangUp(room, undefined);
    await calls.transfer({ callId: call.callId, subject: { kind: "user", userId: sender }, number });
    return `${nameOf(call)} was connected with ${formatNumber(parseNumber(number, numberPlan))}.`;
  };

  const history = (room: RoomId): string => {
    const lines = calls.list({ roomId: room, limit: HISTORY_LINES }).map(historyLine);
    return lines.length === 0 ? "There was no call in this room." : lines.join("\n");
  };

  const list = (room: RoomId): string => {
    const lines = calls.inRoom(room).map((call) => listLine(call, nowMs()));
    return lines.length === 0 ? "There is no phone in this room's call." : lines.join("\n");
  };

  const run = ({ room, sender, command }: CommandMessage): string | Promise<string> => {
    switch (command.name) {
      case "add":
        return add(room, sender, command.number);
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
