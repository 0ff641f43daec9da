import type { LabContext } from "../context.ts";
import { type AsteriskServer, startAsterisk } from "./asterisk.ts";

export interface TrunkPeer extends AsteriskServer {
  /** "http://127.0.0.1:PORT/ari"; media WebSockets are on the same port. */
  ariUrl: string;
  ariUser: string;
  ariPassword: string;
}

/** The gateway's own Asterisk, from deploy/asterisk. */
export async function startTrunkPeer(context: LabContext): Promise<TrunkPeer> {
  const server = await startAsterisk(context, {
    name: "trunk-peer",
    configuration: { "": "deploy/asterisk" },
    overlay: "deploy/lab/overlay/trunk-peer.conf",
  });
  return {
    ...server,
    ariUrl: `http://127.0.0.1:${context.ports.trunkPeerHttp}/ari`,
    // As in deploy/asterisk/ari.conf and its overlay.
    ariUser: "gateway",
    ariPassword: "lab-ari",
  };
}
