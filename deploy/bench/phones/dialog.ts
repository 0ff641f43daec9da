/** The SIP side of one call that is made to a telephone of the bench (RFC 3261): we are asked, we answer, one of both ends it. */
import { randomBytes } from "node:crypto";
import { formatResponse, formatSip, header, type SipMessage, uriOf } from "../../lab/livekit-sip/sip-message.ts";

export interface DialogOptions {
  readonly invite: SipMessage;
  /** Our address, "127.0.0.1:PORT". */
  readonly address: string;
  /** Sends to who calls. */
  readonly send: (datagram: Buffer) => void;
  readonly onEnded: () => void;
}

export interface Dialog {
  ring(): void;
  answer(sdp: string): void;
  /** Takes every later message of the call. */
  receive(message: SipMessage, method: string, isRequest: boolean): void;
  /** BYE of an answered call; refuses one that is not. */
  hangUp(): void;
}

const taggedTo = (request: SipMessage): string => `${header(request, "to")};tag=${randomBytes(6).toString("hex")}`;

/** The answer to a request outside a call (OPTIONS: are you there?). */
export const confirm = (request: SipMessage): Buffer => formatResponse(request, "200 OK", { to: taggedTo(request) });

export const createDialog = ({ invite, address, send, onEnded }: DialogOptions): Dialog => {
  const to = taggedTo(invite);
  const contact: [string, string] = ["Contact", `<sip:${address}>`];
  let state: "ringing" | "answered" | "ended" = "ringing";
  /** An answered call may be ended once its answer was acknowledged (RFC 3261 section 15). */
  let bye: "waits for ACK" | "may go" | "wanted" = "waits for ACK";
  let last: Buffer | undefined;
  let localSdp = "";

  const reply = (request: SipMessage, status: string, extra: [string, string][] = [], body = ""): Buffer => {
    const datagram = formatResponse(request, status, { to, extra, body });
    send(datagram);
    return datagram;
  };
  const withSdp = (sdp: string): [[string, string][], string] => [[contact, ["Content-Type", "application/sdp"]], sdp];
  const sendBye = (): void => {
    const headers: [string, string][] = [
      ["Via", `SIP/2.0/UDP ${address};branch=z9hG4bK${randomBytes(8).toString("hex")};rport`],
      ["Max-Forwards", "70"],
      ["From", to],
      ["To", header(invite, "from")],
      ["Call-ID", header(invite, "call-id")],
      ["CSeq", "1 BYE"],
    ];
    send(formatSip(`BYE ${uriOf(header(invite, "contact"))} SIP/2.0`, headers));
  };
  const acknowledged = (): void => {
    if (bye === "wanted") sendBye();
    bye = "may go";
  };
  const end = (): void => {
    if (state === "ended") return;
    state = "ended";
    onEnded();
  };

  return {
    ring: () => {
      last = reply(invite, "180 Ringing", [contact]);
    },
    answer: (sdp) => {
      if (state !== "ringing") return;
      state = "answered";
      localSdp = sdp;
      last = reply(invite, "200 OK", ...withSdp(sdp));
    },
    receive: (message, method, isRequest) => {
      if (method === "ACK") return acknowledged();
      if (!isRequest) return;
      if (
        method === "INVITE" &&
        message.startLine === invite.startLine &&
        header(message, "to") === header(invite, "to")
      ) {
        // A retransmission: the PBX was slow to read our answer.
        if (last !== undefined) send(last);
        return;
      }
      if (method === "INVITE") return void reply(message, "200 OK", ...withSdp(localSdp));
      reply(message, "200 OK");
      if (method === "CANCEL" && state === "ringing") reply(invite, "487 Request Terminated");
      if (method === "BYE" || method === "CANCEL") end();
    },
    hangUp: () => {
      if (state === "ringing") reply(invite, "480 Temporarily Unavailable");
      else if (state === "answered" && bye === "may go") sendBye();
      else if (state === "answered") bye = "wanted";
      end();
    },
  };
};
