import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/max";
import { GatewayError } from "../errors.ts";
import type { E164, Extension } from "../ids.ts";
import { beginsWithEmergency, emergencyReachedBy } from "./emergency.ts";
import { isExtension, type NumberPlan } from "./number-plan.ts";
import type { PhoneNumber } from "./phone-number.ts";

/** E.164 has 15 digits at most; a prefix for an outside line and one for international calls may stand before them. */
const MAX_DIGITS = 20;
/** Longest text that is looked at: digits and what people write between them. */
const MAX_INPUT_CHARACTERS = 64;
/** Longest short code in use (116 000 and the like have six digits, and no subscriber number of a country we parse is shorter). */
const MAX_SHORT_CODE_DIGITS = 6;
const MAX_EXTENSION_DIGITS = 15;

/** What people and address books write between digits: spaces (also no-break ones), dots, slashes, brackets, hyphens and dashes. */
const SEPARATORS = /[ \u00a0\u2009\u202f./()\u2010-\u2015-]/g;

/** libphonenumber types that cost the caller more than the country suggests. */
const PREMIUM_TYPES: ReadonlySet<string> = new Set(["PREMIUM_RATE", "SHARED_COST", "PERSONAL_NUMBER"]);
/** Country codes without a country: satellites (870, 881), networks (878, 882, 883, 888) and international premium rate (979). Toll fraud loves them. */
const PREMIUM_CALLING_CODES: ReadonlySet<string> = new Set(["870", "878", "881", "882", "883", "888", "979"]);

const invalid = (why: string): GatewayError =>
  new GatewayError(
    "INVALID_NUMBER",
    `This is not a phone number: ${why}. Write it with its country code, such as +33 1 40 50 60 70, or as an extension.`,
  );

interface Dialled {
  readonly digits: string;
  readonly international: boolean;
}

/** Keeps `+` and digits and refuses everything that is not a number written by a person. */
const readDialled = (input: string): Dialled => {
  if (input.length > MAX_INPUT_CHARACTERS) throw invalid("it is too long");
  const bare = input.trim().replace(/^tel:/i, "").replace(SEPARATORS, "");
  const international = bare.startsWith("+");
  const digits = international ? bare.slice(1) : bare;
  if (digits === "") throw invalid("it has no digits");
  const odd = /[^0-9]/u.exec(digits)?.[0];
  if (odd !== undefined) {
    const codePoint = (odd.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    throw invalid(/^[ -~]$/.test(odd) ? `it holds ${JSON.stringify(odd)}` : `it holds the character U+${codePoint}`);
  }
  if (digits.length > MAX_DIGITS) throw invalid("it has too many digits");
  return { digits, international };
};

const parseE164 = ({ digits, international }: Dialled, plan: NumberPlan): PhoneNumber | undefined => {
  if (!isSupportedCountry(plan.country)) {
    throw new GatewayError("CONFIG_INVALID", "the country of the number plan is not an ISO 3166-1 code such as FR");
  }
  const parsed = parsePhoneNumberFromString(international ? `+${digits}` : digits, {
    defaultCountry: plan.country,
    extract: false,
  });
  if (parsed === undefined || !parsed.isValid()) return undefined;
  const premium = PREMIUM_TYPES.has(parsed.getType() ?? "") || PREMIUM_CALLING_CODES.has(parsed.countryCallingCode);
  const country: CountryCode | undefined = parsed.country;
  return {
    kind: "e164",
    e164: parsed.number as E164,
    class: premium ? "premium" : country === plan.country ? "national" : "international",
    ...(country === undefined ? {} : { country }),
  };
};

const parseShort = ({ digits, international }: Dialled, plan: NumberPlan): PhoneNumber | undefined => {
  if (international || digits.length < 2 || digits.length > MAX_SHORT_CODE_DIGITS || digits.startsWith("0"))
    return undefined;
  const isEmergency = beginsWithEmergency(digits, plan.country);
  return { kind: "short", digits, class: isEmergency ? "emergency" : "short-code", country: plan.country };
};

const parseOutside = (dialled: Dialled, plan: NumberPlan): PhoneNumber | undefined =>
  parseE164(dialled, plan) ?? parseShort(dialled, plan);

/**
 * Reads a number as a person typed it, or as it stands in a ghost's id, into its one canonical form.
 * Order: emergency (before anything is normalised), extension, E.164, short code; then the same behind the outside-line prefix.
 * Throws GatewayError INVALID_NUMBER, in words that do not repeat the number.
 */
export const parseNumber = (input: string, plan: NumberPlan): PhoneNumber => {
  const dialled = readDialled(input);
  const { digits, international } = dialled;
  if (!international) {
    const emergency = emergencyReachedBy(digits, plan.country, plan.outsideLinePrefix);
    if (emergency !== undefined) return { kind: "short", digits: emergency, class: "emergency", country: plan.country };
    if (digits.length <= MAX_EXTENSION_DIGITS && isExtension(digits, plan)) {
      return { kind: "extension", extension: digits as Extension, class: "internal" };
    }
  }
  const number = parseOutside(dialled, plan);
  if (number !== undefined) return number;
  const prefix = plan.outsideLinePrefix;
  if (!international && prefix !== undefined && digits.startsWith(prefix)) {
    const behindPrefix = parseOutside({ digits: digits.slice(prefix.length), international: false }, plan);
    if (behindPrefix !== undefined) return behindPrefix;
  }
  throw invalid("no such number is assigned");
};
