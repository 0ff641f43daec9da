/** The SIP side of the livekit-sip stand-in: a user agent over UDP (RFC 3261), enough for one trunk on loopback. Calls to it: sip-uas.ts. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import {
  formatResponse,
  formatSip,
  header,
  methodOf,
  parseSip,
  type SipMessage,
  statusOf,
  uriOf,
} from "./sip-message.ts";
import { type IncomingInvite, T1_MS, takeInvite } from "./sip-uas.ts";

export interface InviteRequest {
  readonly user: string;
  readonly peer: { readonly host: string; readonly port: number };
  readonly from: { readonly user: string; readonly displayName?: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly sdp: string;
  readonly ringTimeoutMs: number;
  readonly onRinging: () => void;
  readonly signal: AbortSignal;
}

export interface Dialog {
  readonly remoteSdp: string;
  readonly callId: string;
  /** Resolves when the dialog is over, whoever ended it. */
  readonly ended: Promise<"local" | "remote">;
  bye(): void;
  /** RFC 3515; resolves with the final status of the NOTIFY's sipfrag. */
  refer(target: string): Promise<number>;
}

/** The call was refused, timed out (408), or cancelled (487). */
export class SipFailure extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    super(`${status} ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

const TIMER_B_MS = 32_000;

interface Transaction {
  readonly onMessage: (message: SipMessage) => void;
}

export interface SipUa {
  invite(request: InviteRequest): Promise<Dialog>;
  close(): void;
}

const token = (): string => randomBytes(8).toString("hex");
const ALLOW = "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE";

const respond = (
  socket: Socket,
  message: SipMessage,
  peer: { address: string; port: number },
  status: string,
): void => {
  socket.send(formatResponse(message, status, { extra: [["Allow", ALLOW]] }), peer.port, peer.address);
};

export const createSipUa = async (
  host: string,
  port: number,
  onInvite?: (invite: IncomingInvite) => void,
): Promise<SipUa> => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, host, () => resolve());
  });
  const calls = new Map<string, Transaction>();
  socket.on("message", (datagram, peer) => {
    const message = parseSip(datagram);
    if (message === undefined) return;
    const call = calls.get(header(message, "call-id"));
    if (call !== undefined) return call.onMessage(message);
    const method = methodOf(message);
    if (onInvite !== undefined && method === "INVITE" && statusOf(message) === undefined) {
      const taken = takeInvite({ socket, contact: `<sip:${host}:${port}>`, via: `${host}:${port}`, peer, message });
      const callId = header(message, "call-id");
      calls.set(callId, taken);
      void taken.over.then(() => setTimeout(() => calls.delete(callId), TIMER_B_MS).unref());
      return onInvite(taken.invite);
    }
    if (statusOf(message) === undefined && method !== "ACK") {
      respond(socket, message, peer, method === "OPTIONS" ? "200 OK" : "481 Call Does Not Exist");
    }
  });
  return {
    invite: (request) => startCall(socket, host, port, calls, request),
    close: () => socket.close(),
  };
};

/** What is sent within one call: the headers that stay the same, and the few that the answers change. */
const createCallWire = (socket: Socket, host: string, port: number, request: InviteRequest) => {
  const { peer } = request;
  const callId = token();
  const inviteBranch = `z9hG4bK${token()}`;
  const targetUri = `sip:${request.user}@${peer.host}:${peer.port}`;
  const name = request.from.displayName === undefined ? "" : `"${request.from.displayName}" `;
  const from = `${name}<sip:${request.from.user}@${host}>;tag=${token()}`;
  const contact = `<sip:${host}:${port}>`;
  let to = `<${targetUri}>`;
  let remoteUri = targetUri;
  let sequence = 1;

  const send = (
    method: string,
    uri: string,
    branch: string,
    cseq: number,
    extra: [string, string][] = [],
    body = "",
  ): void => {
    const headers: [string, string][] = [
      ["Via", `SIP/2.0/UDP ${host}:${port};branch=${branch};rport`],
      ["Max-Forwards", "70"],
      ["From", from],
      ["To", to],
      ["Call-ID", callId],
      ["CSeq", `${cseq} ${method}`],
      ["Contact", contact],
      ["User-Agent", "LiveKit (stand-in)"],
      ...extra,
    ];
    socket.send(formatSip(`${method} ${uri} SIP/2.0`, headers, body), peer.port, peer.host);
  };

  return {
    callId,
    invite: () =>
      send(
        "INVITE",
        targetUri,
        inviteBranch,
        1,
        [["Allow", ALLOW], ["Content-Type", "application/sdp"], ...Object.entries(request.headers)],
        request.sdp,
      ),
    cancel: () => send("CANCEL", targetUri, inviteBranch, 1),
    /** The ACK of a refusal belongs to the INVITE's transaction; that of a 2xx is one of its own (RFC 3261 section 13.2.2.4). */
    ack: (final: SipMessage, accepted: boolean) => {
      to = header(final, "to");
      if (accepted) remoteUri = uriOf(header(final, "contact"));
      send("ACK", remoteUri, accepted ? `z9hG4bK${token()}` : inviteBranch, 1);
    },
    inDialog: (method: "BYE" | "REFER", extra: [string, string][] = []) => {
      sequence += 1;
      send(method, remoteUri, `z9hG4bK${token()}`, sequence, extra);
    },
    reply: (message: SipMessage, status: string, body = "") => {
      const extra: [string, string][] = [["Contact", contact]];
      if (body !== "") extra.push(["Content-Type", "application/sdp"]);
      socket.send(formatResponse(message, status, { extra, body }), peer.port, peer.host);
    },
  };
};

/** One outgoing call: its INVITE transaction and, once answered, its dialog. */
const startCall = (
  socket: Socket,
  host: string,
  port: number,
  calls: Map<string, Transaction>,
  request: InviteRequest,
): Promise<Dialog> => {
  const { signal } = request;
  const wire = createCallWire(socket, host, port, request);
  const { callId } = wire;

  return new Promise<Dialog>((resolve, reject) => {
    let provisional = false;
    let settled = false;
    let cancelled = false;
    let finishDialog: (by: "local" | "remote") => void = () => {};
    let onNotify: (status: number) => void = () => {};
    const ended = new Promise<"local" | "remote">((finish) => {
      finishDialog = finish;
    });

    let intervalMs = T1_MS;
    let retransmit = setTimeout(function again() {
      wire.invite();
      intervalMs *= 2;
      retransmit = setTimeout(again, intervalMs);
    }, intervalMs);
    const unreachable = setTimeout(() => fail(new SipFailure(408, "Request Timeout")), TIMER_B_MS);
    const ringOut = setTimeout(() => cancel(), request.ringTimeoutMs);

    const stopTimers = (): void => {
      clearTimeout(retransmit);
      clearTimeout(unreachable);
      clearTimeout(ringOut);
      signal.removeEventListener("abort", cancel);
    };
    const fail = (failure: SipFailure): void => {
      if (settled) return;
      settled = true;
      stopTimers();
      // Kept for a moment: the final response may be retransmitted and wants its ACK again.
      setTimeout(() => calls.delete(callId), TIMER_B_MS).unref();
      reject(failure);
    };
    function cancel(): void {
      if (settled || cancelled) return;
      cancelled = true;
      // RFC 3261 section 9.1: no CANCEL before a provisional response.
      if (provisional) wire.cancel();
    }
    signal.addEventListener("abort", cancel);

    const dialog = (remoteSdp: string): Dialog => ({
      remoteSdp,
      callId,
      ended,
      bye: () => {
        wire.inDialog("BYE");
        finishDialog("local");
      },
      refer: (target) =>
        new Promise<number>((done) => {
          onNotify = done;
          wire.inDialog("REFER", [
            ["Refer-To", `<${target}>`],
            ["Referred-By", `<sip:${request.from.user}@${host}>`],
          ]);
        }),
    });

    const onInviteResponse = (message: SipMessage, status: number): void => {
      if (status < 200) {
        clearTimeout(retransmit);
        clearTimeout(unreachable);
        provisional = true;
        if (cancelled) wire.cancel();
        else if (status > 100) request.onRinging();
        return;
      }
      wire.ack(message, status < 300);
      if (status >= 300) return fail(new SipFailure(status, message.startLine.slice("SIP/2.0 xxx ".length)));
      if (settled) return;
      settled = true;
      stopTimers();
      resolve(dialog(message.body));
    };

    const onRequest = (message: SipMessage, method: string): void => {
      if (method === "ACK") return;
      if (method === "NOTIFY") {
        wire.reply(message, "200 OK");
        const status = Number(/SIP\/2\.0 (\d{3})/.exec(message.body)?.[1] ?? 0);
        if (status >= 200) onNotify(status);
        return;
      }
      // livekit-sip answers a re-INVITE with the SDP it has (sip#779): hold is not visible to it.
      if (method === "INVITE") return wire.reply(message, "200 OK", request.sdp);
      if (method !== "BYE") return wire.reply(message, method === "OPTIONS" ? "200 OK" : "405 Method Not Allowed");
      wire.reply(message, "200 OK");
      finishDialog("remote");
    };

    calls.set(callId, {
      onMessage: (message) => {
        const status = statusOf(message);
        const method = methodOf(message);
        if (status === undefined) return onRequest(message, method);
        if (method === "INVITE") onInviteResponse(message, status);
        else if (method === "REFER" && status >= 300) onNotify(status);
      },
    });
    void ended.then(() => setTimeout(() => calls.delete(callId), TIMER_B_MS).unref());
    wire.invite();
  });
};
