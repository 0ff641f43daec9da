import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/max";
import { canonicalDigits, type PhoneNumber } from "./phone-number.ts";

/** As people read it anywhere, `+33 1 40 50 60 70`: also the display name of the ghost. Extensions and short codes are their digits. */
export const formatNumber = (number: PhoneNumber): string => {
  if (number.kind === "anonymous") return "Anonymous caller";
  return number.kind === "e164"
    ? (parsePhoneNumberFromString(number.e164)?.formatInternational() ?? number.e164)
    : canonicalDigits(number);
};

/** As people of its own country write it, `01 40 50 60 70`. */
export const formatNational = (number: PhoneNumber): string =>
  number.kind === "e164"
    ? (parsePhoneNumberFromString(number.e164)?.formatNational() ?? number.e164)
    : canonicalDigits(number);

/** Digits to dial from inside `country`: `0140506070` for a number of that country, `00442079460000` for a foreign one, seen from France. */
export const digitsFromCountry = (number: PhoneNumber, country: string): string => {
  if (number.kind !== "e164") return canonicalDigits(number);
  const parsed = parsePhoneNumberFromString(number.e164);
  const formatted = parsed?.format("IDD", { fromCountry: country as CountryCode }) ?? "";
  const digits = formatted.replace(/\D/g, "");
  // Countries without one international prefix (libphonenumber then formats nothing) get the one ITU-T E.164 recommends.
  return digits === "" ? `00${number.e164.slice(1)}` : digits;
};

/** For logs: country code and the last two digits of `+33140506070` stay, `+33*******70`; of `1001` stays `**01`. Any dialled string may be given. */
export const maskDigits = (digits: string): string => {
  const callingCode = digits.startsWith("+")
    ? (parsePhoneNumberFromString(digits)?.countryCallingCode.toString() ?? "")
    : "";
  const head = digits.startsWith("+") ? `+${callingCode}` : "";
  const hidden = digits.slice(head.length);
  const shown = hidden.length >= 4 ? 2 : 0;
  return head + "*".repeat(hidden.length - shown) + hidden.slice(hidden.length - shown);
};

/** For logs. Emergency numbers and short codes belong to nobody and are shown. */
export const maskNumber = (number: PhoneNumber): string =>
  number.kind === "short" || number.kind === "anonymous"
    ? canonicalDigits(number)
    : maskDigits(canonicalDigits(number));
