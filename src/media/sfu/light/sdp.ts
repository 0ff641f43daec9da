/**
 * An offer without our candidates. The SFU learns our address from the first check; with candidates it starts checks of its own,
 * and libdatachannel takes them before it has stored the fingerprint: failed and slow connections (facts: light-media.md section 2).
 */
export const withoutCandidates = (sdp: string): string =>
  sdp.replaceAll(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, "");
