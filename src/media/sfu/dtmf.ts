/** RFC 4733 section 3.2: the place of a key is its event code. */
const KEYS = "0123456789*#ABCD";

/** Event code of a key, as LiveKit's SipDTMF carries it beside the key. */
export const dtmfCode = (key: string): number => KEYS.indexOf(key);
