import { createSocket, type Socket } from "node:dgram";

import type { SignalResponse } from "@livekit/protocol";

import { type SignallingRelay, startSignallingRelay } from "./signalling-relay.ts";

/** What happens to a packet on its way; both directions alike. */
export interface Path {
  /** 0 to 1. */
  loss: number;
  /** Up to so much later than it could be, evenly distributed: packets overtake each other. */
  jitterMs: number;
  /** That much later in any case. */
  delayMs: number;
}

/** A bad network between one client and the SFU: its UDP goes through here, because the candidates it is told are changed. */
export interface LossyRelay extends SignallingRelay {
  readonly path: Path;
  /** Packets of audio that were not passed on. */
  dropped(): number;
}

const bind = async (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });

/** STUN and DTLS must come through, or nothing connects: loss is about audio (RTP and RTCP begin with 128 to 191). */
const isMedia = (packet: Buffer): boolean => packet[0]! >= 128 && packet[0]! < 192;

export const startLossyRelay = async (target: string): Promise<LossyRelay> => {
  const path: Path = { loss: 0, jitterMs: 0, delayMs: 0 };
  const near = createSocket("udp4");
  const far = createSocket("udp4");
  await Promise.all([bind(near), bind(far)]);
  const nearPort = near.address().port;
  let clientPort = 0;
  let serverPort = 0;
  let count = 0;
  // Counted off, not by chance: a test must not depend on luck. Every 20th packet at 5 %.
  let owed = 0;

  const isLost = (packet: Buffer): boolean => {
    if (path.loss >= 1) return true;
    if (!isMedia(packet)) return false;
    owed += path.loss;
    if (owed < 1) return false;
    owed -= 1;
    return true;
  };
  const pass = (packet: Buffer, send: () => void): void => {
    if (isLost(packet)) {
      count += 1;
      return;
    }
    if (path.jitterMs === 0 && path.delayMs === 0) send();
    else setTimeout(send, path.delayMs + Math.random() * path.jitterMs);
  };
  let closed = false;
  near.on("message", (packet, { port }) => {
    clientPort = port;
    pass(packet, () => !closed && far.send(packet, serverPort, "127.0.0.1"));
  });
  far.on("message", (packet) => pass(packet, () => !closed && near.send(packet, clientPort, "127.0.0.1")));

  /** `candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host` leads here instead; TCP candidates are left out. */
  const redirect = (candidate: string): string | undefined => {
    const words = candidate.split(" ");
    if (words[2]?.toLowerCase() !== "udp") return undefined;
    serverPort = Number(words[5]);
    words[4] = "127.0.0.1";
    words[5] = String(nearPort);
    return words.join(" ");
  };
  const change = (response: SignalResponse): SignalResponse | undefined => {
    const { message } = response;
    if (message.case === "answer") message.value.sdp = message.value.sdp.replaceAll(/^a=candidate:.*\r\n/gm, "");
    if (message.case !== "trickle") return response;
    const init = JSON.parse(message.value.candidateInit) as { candidate: string };
    const redirected = redirect(init.candidate);
    if (redirected === undefined) return undefined;
    message.value.candidateInit = JSON.stringify({ ...init, candidate: redirected });
    return response;
  };
  const relay = await startSignallingRelay(target, { change });
  const { url } = relay;
  return {
    path,
    url,
    inject: (message) => relay.inject(message),
    dropped: () => count,
    async [Symbol.asyncDispose]() {
      closed = true;
      near.close();
      far.close();
      await relay[Symbol.asyncDispose]();
    },
  };
};
