import type { Log } from "../log.ts";
import type { JoinSession, WorkerFact } from "./ipc.ts";
import type { Listener } from "./listener.ts";
import type { Phone } from "./phone.ts";
import type { CreateSfuClient, SfuClient } from "./sfu/port.ts";

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
    const client: SfuClient = deps.createSfuClient({
      address: session,
      wants: deps.wants,
      events: {
        onFrame: (track, frame) => listener.onFrame(client, track, frame),
        onTrackEnded: (track) => listener.onTrackEnded(client, track),
        onState: (state, message) => {
          if (phone.track.sfu !== client) return;
          log.info({ callId, state }, message);
          phone.setSfuConnected(state === "connected");
          if (state === "connected") listener.add(client);
          else listener.remove(client);
          if (state === "closed") onFact(callId, { type: "media.sfuLost", message });
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
