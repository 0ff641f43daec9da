import { GatewayError } from "../errors.ts";
import type { ConferenceId, RoomId } from "../ids.ts";
import { type ConferenceStore, type DialinConference, newConferenceId, newPin, PIN_DIGITS } from "./conference.ts";
import type { Language } from "../numbering/language.ts";
import type { PinHasher } from "./pin-hash.ts";

/** The only moment at which a PIN exists in clear: hand it to the person who asked, keep it nowhere. */
export interface NewPin {
  readonly conferenceId: ConferenceId;
  readonly pin: string;
}

/** What moderators do with the dial-in of their room. */
export interface Conferences {
  of(room: RoomId): DialinConference | undefined;
  /** Gives the room a number and a PIN. Where it has them already, only the language changes, and `pin` is absent. */
  turnOn(room: RoomId, language?: Language): Promise<{ readonly conferenceId: ConferenceId; readonly pin?: string }>;
  /** Replaces the PIN; calls that run are left alone. Rejects with BAD_REQUEST where dial-in is off. */
  newPin(room: RoomId): Promise<NewPin>;
  /** False when it was off already. The number may later belong to another room. */
  turnOff(room: RoomId): boolean;
  /** The room was upgraded: number and PIN stay the same and lead to the new one. */
  follow(from: RoomId, to: RoomId): void;
}

export const createConferences = ({
  store,
  hasher,
  pinDigits = PIN_DIGITS.default,
}: {
  readonly store: ConferenceStore;
  readonly hasher: Pick<PinHasher, "hash">;
  readonly pinDigits?: number;
}): Conferences => {
  const withLanguage = (conference: DialinConference, language: Language | undefined): DialinConference =>
    language === undefined ? conference : { ...conference, language };

  return {
    of: (room) => store.byRoom(room),
    turnOn: async (room, language) => {
      const pin = newPin(pinDigits);
      const pinHash = store.byRoom(room) === undefined ? await hasher.hash(pin) : "";
      // Once more: a second command may have come while this one was hashing.
      const known = store.byRoom(room);
      if (known !== undefined) {
        store.save(withLanguage(known, language));
        return { conferenceId: known.conferenceId };
      }
      const conferenceId = newConferenceId((id) => store.byId(id) !== undefined);
      store.save(withLanguage({ conferenceId, roomId: room, pinHash }, language));
      return { conferenceId, pin };
    },
    newPin: async (room) => {
      const pin = newPin(pinDigits);
      const pinHash = await hasher.hash(pin);
      const known = store.byRoom(room);
      if (known === undefined) {
        throw new GatewayError("BAD_REQUEST", "Phones cannot dial into this room: write !phone dialin on first.");
      }
      store.save({ ...known, pinHash });
      return { conferenceId: known.conferenceId, pin };
    },
    turnOff: (room) => {
      const known = store.byRoom(room);
      store.remove(room);
      return known !== undefined;
    },
    follow: (from, to) => store.move(from, to),
  };
};
