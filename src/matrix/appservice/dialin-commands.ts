import { groupDigits } from "../../dialin/conference.ts";
import type { Conferences } from "../../dialin/conferences.ts";
import { isLanguage, type Language, LANGUAGES } from "../../numbering/language.ts";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { ConferenceId, RoomId, UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";

export type DialinAction =
  | { readonly name: "on"; readonly language?: Language }
  | { readonly name: "off" }
  | { readonly name: "new-pin" };

/**
 * State event for clients that want to show how a room is dialled: numbers and conference id, `{}` when dial-in is off. Never the PIN: state
 * is not encrypted, and every server in the room has it.
 */
export const DIALIN_EVENT = "io.github.matrixrtc_sip_gateway.dialin";

export const dialinState = (numbers: readonly string[], conferenceId: ConferenceId): object => ({
  numbers,
  conference_id: conferenceId,
});

/** How a room is dialled, in words. */
export const dialinInvitation = (numbers: readonly string[], conferenceId: ConferenceId, pin?: string): string =>
  [
    "Phones can call this room:",
    ...numbers,
    `Room number: ${groupDigits(conferenceId)} #`,
    ...(pin === undefined ? [] : [`PIN: ${groupDigits(pin)} #`]),
  ].join("\n");

export const DIALIN_HELP = [
  `!phone dialin on [${LANGUAGES.join("|")}]: gives this room a number and a PIN, so that phones can call it (moderators)`,
  "!phone dialin new-pin: replaces the PIN; phones in the call stay",
  "!phone dialin off: phones cannot call this room any more",
].join("\n");

/** What stands behind `!phone dialin`; undefined when it cannot be understood. */
export const parseDialin = (rest: string): DialinAction | undefined => {
  const [verb = "", ...more] = rest.trim().toLowerCase().split(/\s+/);
  const [language] = more;
  if (more.length > 1) return undefined;
  if (verb === "on") {
    if (language === undefined) return { name: "on" };
    return isLanguage(language) ? { name: "on", language } : undefined;
  }
  return (verb === "off" || verb === "new-pin") && language === undefined ? { name: verb } : undefined;
};

export interface DialinCommandsDeps {
  readonly conferences: Pick<Conferences, "turnOn" | "newPin" | "turnOff">;
  /** What phones dial, as people read it; one at least. */
  readonly numbers: readonly string[];
  readonly isModerator: (room: RoomId, user: UserId) => boolean;
  /** False where in doubt: then the PIN goes to one person instead of all. */
  readonly isEncrypted: (room: RoomId) => boolean;
  /** Sends an encrypted notice to one person. Rejects with HOMESERVER_*. */
  readonly sayPrivately: (user: UserId, text: string) => Promise<void>;
  /** Writes state as the bot. Rejects with HOMESERVER_*. */
  readonly writeState: (room: RoomId, type: string, content: object) => Promise<void>;
  readonly log: Log;
}

export interface DialinMessage {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly action: DialinAction;
}

/** Where no number leads to the menu. */
export const noDialin = async (_message: DialinMessage): Promise<string> => {
  throw new GatewayError("BAD_REQUEST", "This gateway has no dial-in number: its administrator can set one up.");
};

const CANNOT_WRITE_STATE = `\nApps cannot show the number by themselves, as I may not write the state event ${DIALIN_EVENT} here.`;

/** Runs `!phone dialin …` and resolves with what to answer in the room. Rejects with UNAUTHORIZED, BAD_REQUEST or HOMESERVER_*. */
export const createDialinCommands = (deps: DialinCommandsDeps): ((message: DialinMessage) => Promise<string>) => {
  const { conferences, numbers, log } = deps;

  /** Best effort: what the room is told does not depend on it. */
  const writeState = async (room: RoomId, content: object): Promise<boolean> => {
    try {
      await deps.writeState(room, DIALIN_EVENT, content);
      return true;
    } catch (thrown) {
      log.info({ roomId: room, code: toGatewayError(thrown).code }, "dial-in state event not written");
      return false;
    }
  };

  const invitation = (conferenceId: ConferenceId, pin?: string): string => dialinInvitation(numbers, conferenceId, pin);

  /** In the room where it is encrypted, else in an encrypted chat with the moderator. */
  const handOver = async (
    { room, sender }: DialinMessage,
    conferenceId: ConferenceId,
    pin: string,
  ): Promise<string> => {
    if (deps.isEncrypted(room)) return invitation(conferenceId, pin);
    try {
      await deps.sayPrivately(sender, invitation(conferenceId, pin));
    } catch (thrown) {
      log.warn({ roomId: room, code: toGatewayError(thrown).code }, "a new PIN could not be sent");
      return `${invitation(conferenceId)}\nI could not send you the PIN. Write !phone dialin new-pin to try again.`;
    }
    return `${invitation(conferenceId)}\nThis room is not encrypted, so I have sent the PIN to ${sender} alone.`;
  };

  const turnOn = async (message: DialinMessage, language: Language | undefined): Promise<string> => {
    const { conferenceId, pin } = await conferences.turnOn(message.room, language);
    const isWritten = await writeState(message.room, dialinState(numbers, conferenceId));
    const words =
      pin === undefined
        ? `${invitation(conferenceId)}\nThe PIN stays as it is; !phone dialin new-pin makes a new one.`
        : await handOver(message, conferenceId, pin);
    return words + (isWritten ? "" : CANNOT_WRITE_STATE);
  };

  const run = async (message: DialinMessage): Promise<string> => {
    const { room, action } = message;
    switch (action.name) {
      case "on":
        return turnOn(message, action.language);
      case "new-pin": {
        const { conferenceId, pin } = await conferences.newPin(room);
        return handOver(message, conferenceId, pin);
      }
      case "off": {
        if (!conferences.turnOff(room)) return "Phones cannot call this room.";
        await writeState(room, {});
        return "Phones cannot call this room any more. Those in the call stay.";
      }
    }
  };

  return async (message) => {
    const { room, sender, action } = message;
    if (!deps.isModerator(room, sender)) {
      throw new GatewayError("UNAUTHORIZED", "Only moderators may say how phones get into this room.");
    }
    const words = await run(message);
    log.info({ roomId: room, sender, action: action.name }, "dial-in of a room changed");
    return words;
  };
};
