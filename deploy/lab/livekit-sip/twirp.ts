/** Twirp errors as livekit-server gives them for a failed SIP call (facts: status wrapped as livekit.SIPStatus). */
export interface TwirpError {
  readonly code:
    | "resource_exhausted"
    | "permission_denied"
    | "not_found"
    | "deadline_exceeded"
    | "aborted"
    | "invalid_argument"
    | "unauthenticated"
    | "failed_precondition"
    | "canceled"
    | "unavailable"
    | "unimplemented"
    | "malformed"
    | "internal";
  readonly msg: string;
  readonly meta?: Readonly<Record<string, string>>;
}

const CODES: readonly (readonly [TwirpError["code"], readonly number[]])[] = [
  ["resource_exhausted", [486, 480, 600]],
  ["permission_denied", [603, 607, 608, 401, 402, 403]],
  ["not_found", [404, 410, 604, 301, 302]],
  ["deadline_exceeded", [408, 504]],
  ["aborted", [487]],
  ["invalid_argument", [488, 406, 400, 484]],
  ["unauthenticated", [407]],
];

export const twirpErrorOfStatus = (status: number, reason: string): TwirpError => {
  // Ringing that timed out was ended by our own CANCEL: livekit-sip then says `canceled` without a status.
  if (status === 487) return { code: "canceled", msg: "sip request timed out" };
  const code = CODES.find(([, statuses]) => statuses.includes(status))?.[0] ?? "failed_precondition";
  const meta = { sip_status_code: String(status), sip_status: reason };
  return { code, msg: `twirp error ${code}: sip status: ${status}: ${reason}`, meta };
};
