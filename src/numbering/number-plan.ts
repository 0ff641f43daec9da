import { isSupportedCountry } from "libphonenumber-js/max";
import { GatewayError } from "../errors.ts";

/** How the digits people type are to be read. */
export interface NumberPlan {
  /** ISO 3166-1 alpha-2 country in which a number without a country code is read, for example `FR`. */
  readonly country: string;
  /**
   * Extensions of the PBX, each a regular expression for the whole number in which, as in an Asterisk dial plan, `X` is 0-9, `Z` 1-9 and
   * `N` 2-9: `1XXX`, `[1-3]XX`, `1\d{3}`.
   */
  readonly extensionPatterns: readonly string[];
  /** Digits that people dial on a desk phone to get an outside line, for example `0`. */
  readonly outsideLinePrefix?: string;
}

const DIGIT_SETS: Readonly<Record<string, string>> = { X: "\\d", Z: "[1-9]", N: "[2-9]" };

const compile = (pattern: string): RegExp => {
  const source = pattern.replace(/^_/, "").replace(/[XZN]/g, (letter) => DIGIT_SETS[letter] ?? letter);
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new GatewayError("CONFIG_INVALID", `extension pattern ${JSON.stringify(pattern)} is not valid`, {
      cause: error,
    });
  }
};

/** True when the digits are an extension of the PBX. */
export const isExtension = (digits: string, plan: NumberPlan): boolean =>
  plan.extensionPatterns.some((pattern) => compile(pattern).test(digits));

/** Throws CONFIG_INVALID for a plan that cannot work; for the start of the gateway. */
export const checkNumberPlan = (plan: NumberPlan): void => {
  if (!isSupportedCountry(plan.country)) {
    throw new GatewayError(
      "CONFIG_INVALID",
      `country ${JSON.stringify(plan.country)} is not an ISO 3166-1 code such as FR`,
    );
  }
  if (plan.outsideLinePrefix !== undefined && !/^\d{1,3}$/.test(plan.outsideLinePrefix)) {
    throw new GatewayError("CONFIG_INVALID", "the outside-line prefix must be one to three digits");
  }
  for (const pattern of plan.extensionPatterns) {
    const matcher = compile(pattern);
    if (matcher.test("")) {
      throw new GatewayError("CONFIG_INVALID", `extension pattern ${JSON.stringify(pattern)} matches an empty number`);
    }
  }
};
