import { GatewayError } from "../../errors.ts";
import { formatNumber } from "../../numbering/format.ts";
import type { NumberPlan } from "../../numbering/number-plan.ts";
import { parseNumber } from "../../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../../numbering/phone-number.ts";

interface Phone {
  readonly number: PhoneNumber;
  readonly name?: string;
}

/** As the room sees it: numbers of inbound callers may be masked. */
export const phoneName = ({ name, number }: Phone): string => name ?? formatNumber(number);

/**
 * The phone that somebody means, by its name as the room sees it or by its number; without either the only one. Throws BAD_REQUEST when
 * there are several, and CALL_NOT_FOUND.
 * @param verb of the command, for the answer that asks which one
 * @param none what there is none of
 */
export const findPhone = <Found extends Phone>(
  phones: readonly Found[],
  asked: string | undefined,
  { plan, verb, none }: { readonly plan: NumberPlan; readonly verb: string; readonly none: string },
): Found => {
  if (asked === undefined) {
    const [only, another] = phones;
    if (only === undefined) throw new GatewayError("CALL_NOT_FOUND", none);
    if (another === undefined) return only;
    const names = phones.map(phoneName).join(", ");
    throw new GatewayError("BAD_REQUEST", `Which one? Write !phone ${verb} and one of ${names}.`);
  }
  const named = phones.find((one) => one.name === asked);
  if (named !== undefined) return named;
  const digits = canonicalDigits(parseNumber(asked, plan));
  const found = phones.find((one) => canonicalDigits(one.number) === digits);
  if (found === undefined) throw new GatewayError("CALL_NOT_FOUND", "That number is not in this room's call.");
  return found;
};
