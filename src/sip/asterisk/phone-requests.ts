import { setTimeout as delay } from "node:timers/promises";

import { GatewayError } from "../../errors.ts";
import type { AriRest } from "./ari-rest.ts";

/** A PBX that takes a REFER hangs up within one or two round trips. */
const TRANSFER_LIMIT_MS = 5000;

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
  /**
   * REFER to the PBX, which connects the phone with this user part at itself and then hangs up here (`gone`). Rejects with TRUNK_UNAVAILABLE
   * when it does not: ARI answers before the PBX has, and tells of no refusal.
   */
  readonly transfer: (dialString: string, gone: Promise<void>) => Promise<void>;
}

export const phoneRequests = (ari: AriRest, channel: string): PhoneRequests => ({
  press: async (keys) => {
    try {
      await ari.press(channel, keys);
    } catch (cause) {
      throw new GatewayError("MEDIA_FAILED", "Asterisk did not take the keys", { cause });
    }
  },
  transfer: async (dialString, gone) => {
    const timer = new AbortController();
    try {
      const pbx = hostOf(await ari.readVariable(channel, "CHANNEL(pjsip,target_uri)"));
      await ari.redirect(channel, `PJSIP/sip:${dialString}@${pbx}`);
      const tooLate = delay(TRANSFER_LIMIT_MS, undefined, { signal: timer.signal }).then(() => {
        throw new Error("the phone is still here");
      });
      await Promise.race([gone, tooLate]);
    } catch (cause) {
      throw new GatewayError("TRUNK_UNAVAILABLE", "The PBX did not transfer the call.", { cause });
    } finally {
      timer.abort();
    }
  },
});
