import type { NumberPlan } from "../../numbering/number-plan.ts";
import { ghostOf } from "../../numbering/ghost-id.ts";
import { parseNumber } from "../../numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "../../numbering/phone-number.ts";

/** MSC2845: Element Web shows its dial pad when a homeserver has this protocol, and looks up what was typed. */
export const PSTN_PROTOCOL = "m.protocol.pstn";
const PHONE_FIELD = "m.id.phone";

export interface ThirdPartyUser {
  readonly userid: string;
  readonly protocol: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface ThirdParty {
  /** What the homeserver tells clients of the protocol (specification, third-party networks); Synapse keeps it for an hour. */
  readonly protocol: object;
  /** The ghost of the number in the query, if it is one that somebody may dial. Who asks is not told to us. */
  users(query: Readonly<Record<string, unknown>>): readonly ThirdPartyUser[];
}

export const createThirdParty = (deps: {
  readonly numberPlan: NumberPlan;
  readonly serverName: string;
  /** Whether the policy lets anybody dial numbers of this kind. */
  readonly isDiallable: (number: PhoneNumber) => boolean;
}): ThirdParty => ({
  protocol: {
    user_fields: [PHONE_FIELD],
    location_fields: [],
    icon: "",
    field_types: { [PHONE_FIELD]: { regexp: "[+0-9 ()./-]+", placeholder: "+33 1 40 50 60 70" } },
    instances: [{ network_id: "pstn", desc: "Telephone", fields: {} }],
  },
  users: (query) => {
    const text = query[PHONE_FIELD];
    if (typeof text !== "string") return [];
    try {
      const number = parseNumber(text, deps.numberPlan);
      if (!deps.isDiallable(number)) return [];
      const fields = { [PHONE_FIELD]: canonicalDigits(number) };
      return [{ userid: ghostOf(number, deps.serverName), protocol: PSTN_PROTOCOL, fields }];
    } catch {
      return [];
    }
  },
});
