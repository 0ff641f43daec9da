import { GatewayError } from "../../errors.ts";
import type { AriRest } from "./ari-rest.ts";

/** deploy/asterisk/extensions.conf: it sends the REFER, waits for what the PBX says, and hangs up. ARI alone would tell of neither. */
const TRANSFER_CONTEXT = "gateway-transfer";
/** Where that context finds the target. */
const TRANSFER_TARGET = "GATEWAY_TRANSFER";

/** Host and port of a SIP URI as Asterisk writes it: `sip:1001@192.0.2.1:5060;transport=tls`, perhaps in angle brackets. */
export const hostOf = (uri: string): string => {
  const host = /^<?sips?:(?:[^@>]*@)?([^;>?]+)/.exec(uri)?.[1];
  if (host === undefined) throw new Error("the far end has no SIP address");
  return host;
};

/** What is asked of a phone in a call, beside hanging up. */
export interface PhoneRequests {
  /** Presses keys towards the phone. Rejects with MEDIA_FAILED. */
  readonly press: (keys: string) => Promise<void>;
  /** Gives the phone to the dialplan, which asks the PBX to connect it with this user part (REFER). Rejects with TRUNK_UNAVAILABLE. */
  readonly transfer: (dialString: string) => Promise<void>;
}

export const phoneRequests = (ari: AriRest, channel: string): PhoneRequests => ({
  press: async (keys) => {
    try {
      await ari.press(channel, keys);
    } catch (cause) {
      throw new GatewayError("MEDIA_FAILED", "Asterisk did not take the keys", { cause });
    }
  },
  transfer: async (dialString) => {
    try {
      const pbx = hostOf(await ari.readVariable(channel, "CHANNEL(pjsip,target_uri)"));
      await ari.setVariable(channel, TRANSFER_TARGET, `PJSIP/sip:${dialString}@${pbx}`);
      if (await ari.continueInDialplan(channel, TRANSFER_CONTEXT, "s")) return;
    } catch (cause) {
      throw new GatewayError("TRUNK_UNAVAILABLE", "Asterisk could not transfer the call.", { cause });
    }
    throw new GatewayError("TRUNK_UNAVAILABLE", "The phone has hung up.");
  },
});
