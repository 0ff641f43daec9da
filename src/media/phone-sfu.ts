import type { Log } from "../log.ts";
import type { JoinSession, WorkerFact } from "./ipc.ts";
import type { Listener } from "./listener.ts";
import type { Phone } from "./phone.ts";
import type { CreateSfuClient, SfuClient } from "./sfu/port.ts";

/** An interrupted connection that is not back after this long is made anew; rtc-node's own attempts can go on for much longer. */
const MAX_INTERRUPTION_MS = 15_000;

export interface PhoneSfuDeps {
  readonly createSfuClient: CreateSfuClient;
  readonly listener: Listener;
  /** Who is heard through the SFU: members of the conference that are not phones in this worker. */
  readonly wants: (identity: string) => boolean;
  readonly log: Log;
  readonly onFact: (callId: string, fact: WorkerFact) => void;
}

/** The SFU connections of the phones of one conference, and the listener's part in their coming and going. */
export interface PhoneSfu {
  /** Connects the phone in place of the connection it has, if any. */
  replace(session: JoinSession, phone: Phone): Promise<void>;
  /** Closes a connection; if it is the one that listens, the next takes over first. */
  close(client: SfuClient | undefined): Promise<void>;
}

export const createPhoneSfu = (deps: PhoneSfuDeps): PhoneSfu => {
  const { listener, log, onFact } = deps;

  const open = (session: JoinSession, phone: Phone): SfuClient => {
    const { callId } = session;
    let interruption: NodeJS.Timeout | undefined;
    const lost = (message: string): void => {
      if (phone.track.sfu === client) onFact(callId, { type: "media.sfuLost", message });
    };
    const client: SfuClient = deps.createSfuClient({
      address: session,
      wants: deps.wants,
      events: {
        onFrame: (track, frame) => listener.onFrame(client, track, frame),
        onTrackEnded: (track) => listener.onTrackEnded(client, track),
        onState: (state, message) => {
          clearTimeout(interruption);
          if (phone.track.sfu !== client) return;
          log.info({ callId, state }, message);
          phone.setSfuConnected(state === "connected");
          if (state === "connected") listener.add(client);
          else listener.remove(client);
          if (state === "closed") lost(message);
          if (state === "interrupted") {
            const tooLong = `the SFU connection was not back within ${MAX_INTERRUPTION_MS / 1000} s`;
            interruption = setTimeout(() => lost(tooLong), MAX_INTERRUPTION_MS).unref();
          }
        },
      },
    });
    return client;
  };

  const close = async (client: SfuClient | undefined): Promise<void> => {
    if (client === undefined) return;
    await listener.handOver(client);
    listener.remove(client);
    await client.close();
  };

  return {
    async replace(session, phone) {
      const old = phone.track.sfu;
      const client = open(session, phone);
      // At once: the next message may be a key for it.
      phone.track.sfu = client;
      phone.setSfuConnected(false);
      try {
        await close(old);
        await client.connect();
      } catch (error) {
        if (phone.track.sfu === client) phone.track.sfu = undefined;
        await client.close();
        throw error;
      }
      // `leave` closes a connection that is still being made, and `connect` then rejects; so this one is wanted.
      phone.setSfuConnected(true);
      listener.add(client);
    },
    close,
  };
};
