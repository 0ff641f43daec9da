import type { E164, Extension } from "../ids.ts";

/** Classes of the policy. Emergency numbers and other short codes never come from libphonenumber-js: see emergency.ts. */
export const NUMBER_CLASSES = ["internal", "national", "international", "premium", "emergency", "short-code"] as const;

export type NumberClass = (typeof NUMBER_CLASSES)[number];

/** A number in its one canonical form. */
export type PhoneNumber =
  | {
      readonly kind: "e164";
      readonly e164: E164;
      readonly class: "national" | "international" | "premium";
      /** ISO 3166-1 alpha-2, when the number tells one. */
      readonly country?: string;
    }
  /** An extension of the PBX: digits that match a trunk's extension pattern. */
  | { readonly kind: "extension"; readonly extension: Extension; readonly class: "internal" }
  /** Emergency numbers and short codes: digits without a country code, only meaningful in `country`. */
  | {
      readonly kind: "short";
      readonly digits: string;
      readonly class: "emergency" | "short-code";
      readonly country: string;
    }
  /** A caller who shows no number, or none that can be believed. Never dialled. */
  | { readonly kind: "anonymous"; readonly class: "anonymous" };

/** Localpart behind `tel_` of every caller who shows no number: one user, one device per call. */
export const ANONYMOUS = "anonymous";

/** The digits a person would dial, `+33140506070` or `1001`: also the part of the ghost's id behind `tel_`. */
export const canonicalDigits = (number: PhoneNumber): string => {
  switch (number.kind) {
    case "e164":
      return number.e164;
    case "extension":
      return number.extension;
    case "short":
      return number.digits;
    case "anonymous":
      return ANONYMOUS;
  }
};
