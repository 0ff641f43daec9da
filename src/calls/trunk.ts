import { legId, type TrunkId } from "../ids.ts";
import { digitsFromCountry } from "../numbering/format.ts";
import { type Language, languageFor } from "../numbering/language.ts";
import { canonicalDigits, type NumberClass, type PhoneNumber } from "../numbering/phone-number.ts";
import type { DialTarget } from "./call.ts";
import type { CallerId, Subject } from "./ports.ts";
import type { Voice } from "./voice.ts";

/** Numbers that a trunk takes: a whole class, or all whose canonical form begins with a prefix (`+33`, `10`). */
export type TrunkRoute = { readonly class: NumberClass } | { readonly prefix: string };

/**
 * How an E.164 number is written in the request URI: `+33140506070`, `33140506070`, as dialled inside the country (`0140506070`,
 * `00442079460000`), or that behind a prefix for an outside line. Extensions stay as they are; short codes get only the prefix.
 */
export type DialFormat = "e164" | "without-plus" | "national" | { readonly prefix: string };

export interface CallerIdRules {
  readonly default: CallerId;
  /** By Matrix user id. */
  readonly perUser?: Readonly<Record<string, CallerId>>;
}

/** What a trunk's calls to us are worth. */
export interface InboundRules {
  /** ISO 3166-1: how callers' national numbers are read. */
  readonly country: string;
  /** The PBX vouches for the callers' numbers. */
  readonly isTrusted: boolean;
  /** Numbers of outside callers are shown to the room. */
  readonly showsExternalCallers: boolean;
}

/** What the domain knows of a trunk; address and credentials are the engine's. */
export interface Trunk {
  readonly id: TrunkId;
  readonly engine: "asterisk" | "livekit-sip";
  readonly routes: readonly TrunkRoute[];
  readonly dialFormat: DialFormat;
  readonly callerId: CallerIdRules;
  readonly inbound: InboundRules;
  /** A person who calls a number hears its announcements: for their client it has answered when audio comes. */
  readonly earlyMedia?: "answer";
  /** Spoken to phones whose number does not tell a language; default: English. */
  readonly language?: Language;
  /** The administrator's recordings (ports.ts, Voice). */
  readonly promptFolder?: string;
}

const takes = (route: TrunkRoute, number: PhoneNumber): boolean =>
  "class" in route ? route.class === number.class : canonicalDigits(number).startsWith(route.prefix);

/** The trunks that take this number, in the order to try them (that of the configuration). */
export const selectTrunks = (number: PhoneNumber, trunks: readonly Trunk[]): readonly Trunk[] =>
  trunks.filter((trunk) => trunk.routes.some((route) => takes(route, number)));

/** User part of the request URI. `country` is that of the number plan. */
export const dialString = (number: PhoneNumber, trunk: Trunk, country: string): string => {
  const format = trunk.dialFormat;
  if (number.kind === "extension") return number.extension;
  if (typeof format === "object") return format.prefix + digitsFromCountry(number, country);
  if (number.kind !== "e164") return canonicalDigits(number);
  switch (format) {
    case "e164":
      return number.e164;
    case "without-plus":
      return number.e164.slice(1);
    case "national":
      return digitsFromCountry(number, country);
  }
};

/** Whom the phone sees when `subject` calls through this trunk. */
export const callerIdFor = (subject: Subject, trunk: Trunk): CallerId =>
  (subject.kind === "user" ? trunk.callerId.perUser?.[subject.userId] : undefined) ?? trunk.callerId.default;

/** The ways to a number for `subject`, in the order to try them. `call`: what the legs are named after. */
export const dialTargets = (
  number: PhoneNumber,
  { subject, call }: { readonly subject: Subject; readonly call: string },
  { trunks, country }: { readonly trunks: readonly Trunk[]; readonly country: string },
): readonly DialTarget[] =>
  selectTrunks(number, trunks).map((trunk, index) => ({
    legId: legId(`${call}-${index + 1}`),
    trunkId: trunk.id,
    dialString: dialString(number, trunk, country),
    callerId: callerIdFor(subject, trunk),
    ...(trunk.earlyMedia === undefined ? {} : { earlyMedia: trunk.earlyMedia }),
  }));

/** How this phone is spoken to; `chosen`: in the language that it chose itself. */
export const voiceFor = (
  number: PhoneNumber,
  { language, promptFolder }: Pick<Trunk, "language" | "promptFolder">,
  chosen?: Language,
): Voice => ({
  language: chosen ?? languageFor(canonicalDigits(number), language === undefined ? {} : { trunk: language }),
  ...(promptFolder === undefined ? {} : { folder: promptFolder }),
});
