/** A call that comes to the livekit-sip stand-in: its INVITE transaction and its dialog (RFC 3261 sections 13.3 and 15). */
import { randomBytes } from "node:crypto";
import type { RemoteInfo, Socket } from "node:dgram";
import { formatResponse, formatSip, header, methodOf, type SipMessage, statusOf, uriOf } from "./sip-message.ts";

/** RFC 3261 timer T1. */
export const T1_MS = 500;

export interface IncomingInvite {
  readonly message: SipMessage;
  readonly sourceAddress: string;
  /** 180 Ringing. */
  ring(): void;
  /** 200 OK. Resolves when the caller has acknowledged it, or has hung up. */
  accept(sdp: string): Promise<void>;
  refuse(status: string): void;
  bye(): void;
  /** Resolves when the call is over, whoever ended it and however far it was. */
  readonly ended: Promise<"local" | "remote">;
}

export interface TakenInvite {
  readonly invite: IncomingInvite;
  readonly over: Promise<unknown>;
  onMessage(message: SipMessage): void;
}

interface Arrival {
  readonly socket: Socket;
  readonly contact: string;
  /** Our `host:port`. */
  readonly via: string;
  readonly peer: RemoteInfo;
  readonly message: SipMessage;
}

const token = (): string => randomBytes(8).toString("hex");

export const takeInvite = ({ socket, contact, via, peer, message }: Arrival): TakenInvite => {
  const to = `${header(message, "to")};tag=${token()}`;
  const finished = Promise.withResolvers<"local" | "remote">();
  const acknowledged = Promise.withResolvers<void>();
  let last: Buffer | undefined;
  let isAnswered = false;
  let isOver = false;
  let repeat: NodeJS.Timeout | undefined;

  const reply = (
    request: SipMessage,
    status: string,
    extra: readonly (readonly [string, string])[] = [],
    body = "",
  ) => {
    const response = formatResponse(request, status, { to, extra, body });
    socket.send(response, peer.port, peer.address);
    return response;
  };
  const respond = (status: string, body = ""): void => {
    const type = body === "" ? [] : [["Content-Type", "application/sdp"] as const];
    last = reply(message, status, [["Contact", contact], ...type], body);
  };
  /** A final response is repeated until its ACK: UDP. */
  const repeatUntilAcknowledged = (intervalMs: number): void => {
    repeat = setTimeout(() => {
      if (last !== undefined) socket.send(last, peer.port, peer.address);
      if (intervalMs < 16 * T1_MS) repeatUntilAcknowledged(intervalMs * 2);
    }, intervalMs);
  };
  const finish = (by: "local" | "remote"): void => {
    isOver = true;
    acknowledged.resolve();
    finished.resolve(by);
  };
  const refuse = (status: string, by: "local" | "remote" = "local"): void => {
    if (isOver || isAnswered) return;
    respond(status);
    repeatUntilAcknowledged(T1_MS);
    finish(by);
  };
  const bye = (): void => {
    if (isOver || !isAnswered) return;
    const headers: [string, string][] = [
      ["Via", `SIP/2.0/UDP ${via};branch=z9hG4bK${token()};rport`],
      ["Max-Forwards", "70"],
      ["From", to],
      ["To", header(message, "from")],
      ["Call-ID", header(message, "call-id")],
      ["CSeq", "1 BYE"],
    ];
    const request = formatSip(`BYE ${uriOf(header(message, "contact"))} SIP/2.0`, headers);
    socket.send(request, peer.port, peer.address);
    finish("local");
  };

  const onInvite = (again: SipMessage): void => {
    const isRepeated = header(again, "cseq") === header(message, "cseq");
    if (isRepeated && last !== undefined) socket.send(last, peer.port, peer.address);
  };
  const onRequest = (request: SipMessage): void => {
    switch (methodOf(request)) {
      case "INVITE":
        return onInvite(request);
      case "ACK":
        clearTimeout(repeat);
        return acknowledged.resolve();
      case "CANCEL":
        reply(request, "200 OK");
        return refuse("487 Request Terminated", "remote");
      case "BYE":
        clearTimeout(repeat);
        reply(request, "200 OK");
        return finish("remote");
      default:
        reply(request, methodOf(request) === "OPTIONS" ? "200 OK" : "405 Method Not Allowed");
    }
  };

  return {
    over: finished.promise,
    onMessage: (received) => {
      if (statusOf(received) === undefined) onRequest(received);
    },
    invite: {
      message,
      sourceAddress: peer.address,
      ring: () => {
        if (!isOver && !isAnswered) respond("180 Ringing");
      },
      accept: async (sdp) => {
        if (isOver) return;
        isAnswered = true;
        respond("200 OK", sdp);
        repeatUntilAcknowledged(T1_MS);
        await acknowledged.promise;
      },
      refuse,
      bye,
      ended: finished.promise,
    },
  };
};
