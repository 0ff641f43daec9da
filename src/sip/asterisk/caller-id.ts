import type { CallerId } from "../../calls/ports.ts";

const LONGEST_NAME = 80;

/** Control characters could end a SIP header; a name longer than this fits no display. */
const safeName = (name: string): string => name.replace(/\p{C}/gu, "").slice(0, LONGEST_NAME);

/**
 * Channel variables that show `callerId` to the called phone. On a channel that Asterisk dials, From and P-Asserted-Identity come from
 * the *connected line*, not from CALLERID (measured with 22.10); `,i` keeps it from being sent as an update. Without a number Asterisk
 * writes From "Anonymous" and no P-Asserted-Identity, but Privacy only when there is a number to hide: so it is added here (RFC 3323).
 */
export const callerIdVariables = (callerId: CallerId): Readonly<Record<string, string>> =>
  callerId.kind === "anonymous"
    ? { "CONNECTEDLINE(pres,i)": "prohib", "PJSIP_HEADER(add,Privacy)": "id" }
    : {
        "CONNECTEDLINE(num,i)": callerId.number,
        ...(callerId.name === undefined ? {} : { "CONNECTEDLINE(name,i)": safeName(callerId.name) }),
      };
