import type { CallService, Subject } from "../../calls/ports.ts";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber } from "../../numbering/format.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import type { BotReaction } from "./bot-events.ts";
import { findPhone, phoneName } from "./find-phone.ts";
import { errorWords } from "./words.ts";

const WITH_PHONE = ["mute", "unmute", "admit", "refuse"] as const;
const WITHOUT = ["lock", "unlock", "who"] as const;

export type ModeratorCommand =
  | { readonly name: (typeof WITH_PHONE)[number]; readonly number?: string }
  | { readonly name: (typeof WITHOUT)[number] };

const isOneOf = <Name extends string>(names: readonly Name[], verb: string): verb is Name =>
  (names as readonly string[]).includes(verb);

/** @param number what stands behind the verb, trimmed */
export const parseModeratorCommand = (verb: string, number: string): ModeratorCommand | undefined => {
  if (isOneOf(WITH_PHONE, verb)) return number === "" ? { name: verb } : { name: verb, number };
  return isOneOf(WITHOUT, verb) && number === "" ? { name: verb } : undefined;
};

export const MODERATOR_HELP = [
  "For moderators:",
  "!phone mute [NUMBER|all]: silences phones; !phone unmute [NUMBER|all] asks them to press *6",
  "!phone drop [NUMBER]: ends it; !phone who: sends you the full numbers",
  "!phone lock: further phones have to be let in; !phone unlock",
  "!phone admit [NUMBER] or refuse [NUMBER]: whoever waits to be let in",
].join("\n");

export interface ModeratorDeps {
  readonly calls: Pick<CallService, "moderate" | "lock" | "atDoor" | "answerDoor" | "inRoom">;
  readonly isModerator: (room: RoomId, user: UserId) => boolean;
  /** Sends an encrypted notice to one person. Rejects with HOMESERVER_*. */
  readonly sayPrivately: (user: UserId, text: string) => Promise<void>;
  readonly numberPlan: NumberPlan;
  readonly log: Log;
}

export interface ModeratorMessage {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly command: ModeratorCommand;
}

const NO_PHONE = "There is no phone in this room's call.";

/** Runs what moderators write and resolves with what to answer. Rejects with GatewayError; who is no moderator gets UNAUTHORIZED. */
export const createModeratorCommands = (deps: ModeratorDeps): ((message: ModeratorMessage) => Promise<string>) => {
  const { calls, numberPlan: plan, log } = deps;

  const moderate = async (
    room: RoomId,
    subject: Subject,
    { name, number }: { readonly name: "mute" | "unmute"; readonly number?: string },
  ): Promise<string> => {
    const phones = calls.inRoom(room);
    const meant = number === "all" ? phones : [findPhone(phones, number, { plan, verb: name, none: NO_PHONE })];
    if (meant.length === 0) return NO_PHONE;
    for (const { callId } of meant) await calls.moderate({ callId, subject, action: name });
    const names = meant.map(phoneName).join(", ");
    return name === "mute" ? `Muted ${names}.` : `Asked ${names} to unmute: only the phone's own *6 does that.`;
  };

  const answerDoor = async (
    room: RoomId,
    subject: Subject,
    { name, number }: { readonly name: "admit" | "refuse"; readonly number?: string },
  ): Promise<string> => {
    const waiting = calls.atDoor(room);
    const caller = findPhone(waiting, number, { plan, verb: name, none: "Nobody waits to be let in." });
    await calls.answerDoor({ roomId: room, legId: caller.legId, subject, isAdmitted: name === "admit" });
    return `${phoneName(caller)} ${name === "admit" ? "comes in." : "was sent away."}`;
  };

  /** To the moderator alone: others in the room are not meant to know, encrypted or not. */
  const tellNumbers = async (room: RoomId, sender: UserId): Promise<string> => {
    if (!deps.isModerator(room, sender)) {
      throw new GatewayError("UNAUTHORIZED", "Only moderators are told the numbers of callers.");
    }
    const phones = [...calls.inRoom(room), ...calls.atDoor(room)];
    if (phones.length === 0) return NO_PHONE;
    await deps.sayPrivately(
      sender,
      phones.map((phone) => `${phoneName(phone)}: ${formatNumber(phone.number)}`).join("\n"),
    );
    log.info({ roomId: room, sender }, "a moderator was told the numbers of phones");
    return "I have sent you the numbers.";
  };

  return async ({ room, sender, command }) => {
    const subject: Subject = { kind: "user", userId: sender };
    switch (command.name) {
      case "mute":
      case "unmute":
        return moderate(room, subject, { ...command, name: command.name });
      case "admit":
      case "refuse":
        return answerDoor(room, subject, { ...command, name: command.name });
      case "lock":
        await calls.lock({ roomId: room, subject, isLocked: true });
        return "Locked: further phones cannot be added, and callers have to be let in (!phone admit).";
      case "unlock":
        await calls.lock({ roomId: room, subject, isLocked: false });
        return "Unlocked: phones get in as before.";
      case "who":
        return tellNumbers(room, sender);
    }
  };
};

const ADMITS: ReadonlySet<string> = new Set(["\u2705", "\u2714", "\u{1F44D}"]);
const REFUSES: ReadonlySet<string> = new Set(["\u274C", "\u{1F44E}"]);

/** Without skin tone and presentation. */
const plainEmoji = (key: string): string => key.replace(/\p{Emoji_Modifier}|\uFE0F/gu, "");

/** Obeys emojis at the message that announces a caller. Resolves with what to say in the room, if anything; never rejects. */
export const createDoorReactions =
  ({ calls, log }: Pick<ModeratorDeps, "calls" | "log">) =>
  async ({ room, sender, eventId, key }: BotReaction): Promise<string | undefined> => {
    const emoji = plainEmoji(key);
    const isAdmitted = ADMITS.has(emoji);
    if (!isAdmitted && !REFUSES.has(emoji)) return undefined;
    const caller = calls.atDoor(room).find(({ announcement }) => announcement === eventId);
    if (caller === undefined) return undefined;
    try {
      const subject: Subject = { kind: "user", userId: sender };
      await calls.answerDoor({ roomId: room, legId: caller.legId, subject, isAdmitted });
      return undefined;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      log.info({ roomId: room, sender, code: error.code }, "a reaction let nobody in");
      // Whoever may not is not lectured for a thumb.
      return error.code === "UNAUTHORIZED" ? undefined : errorWords(error);
    }
  };
