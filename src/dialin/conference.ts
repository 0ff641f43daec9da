import { randomInt } from "node:crypto";
import { GatewayError } from "../errors.ts";
import { type ConferenceId, conferenceId, type RoomId } from "../ids.ts";
import type { Language } from "../numbering/language.ts";

/** A room that phones can dial: what is kept of it. The PIN itself is kept nowhere. */
export interface DialinConference {
  readonly conferenceId: ConferenceId;
  readonly roomId: RoomId;
  /** As `PinHasher` wrote it. */
  readonly pinHash: string;
  /** Language of what phones in the conference are told; absent: that of the caller. */
  readonly language?: Language;
}

/** Where conferences are kept (store/). All methods are synchronous. */
export interface ConferenceStore {
  byId(id: string): DialinConference | undefined;
  byRoom(room: RoomId): DialinConference | undefined;
  /** Adds the conference, or replaces the one of the same room. */
  save(conference: DialinConference): void;
  remove(room: RoomId): void;
  /** The room was upgraded: its conference belongs to the new one, unless that has one of its own. */
  move(from: RoomId, to: RoomId): void;
}

export const PIN_DIGITS = { default: 8, min: 6, max: 16 } as const;
/** Not shorter, so that a mistyped number rarely is somebody else's; it need not be hard to guess, the PIN is. */
export const CONFERENCE_ID_DIGITS = 6;
const MAX_ATTEMPTS = 50;

const randomDigits = (count: number): string => Array.from({ length: count }, () => randomInt(10)).join("");

/** Digits from the system's random source, leading zeros included. Throws CONFIG_INVALID for a length out of `PIN_DIGITS`. */
export const newPin = (digits: number = PIN_DIGITS.default): string => {
  if (!Number.isInteger(digits) || digits < PIN_DIGITS.min || digits > PIN_DIGITS.max) {
    throw new GatewayError("CONFIG_INVALID", `A PIN has ${PIN_DIGITS.min} to ${PIN_DIGITS.max} digits, not ${digits}.`);
  }
  return randomDigits(digits);
};

/** A conference id that `isTaken` does not know. It does not begin with 0: people leave leading zeros out. */
export const newConferenceId = (isTaken: (id: ConferenceId) => boolean): ConferenceId => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const id = conferenceId(`${randomInt(1, 10)}${randomDigits(CONFERENCE_ID_DIGITS - 1)}`);
    if (!isTaken(id)) return id;
  }
  throw new GatewayError("LIMIT_REACHED", "There is no free conference number left.");
};

/** Groups for reading aloud and copying, `123 456` and `1234 5678`. */
export const groupDigits = (digits: string): string =>
  digits.replace(digits.length % 4 === 0 ? /(\d{4})(?=\d)/g : /(\d{3})(?=\d)/g, "$1 ");
