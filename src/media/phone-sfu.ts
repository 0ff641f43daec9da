import type { MediaKey } from "../calls/ports.ts";
import type { Log } from "../log.ts";
import type { JoinSession, WorkerFact } from "./ipc.ts";
import type { Leg } from "./legs/port.ts";
import type { Listener } from "./listener.ts";
import type { Phone } from "./phone.ts";
import type { CreateSfuClient, SfuClient, SfuClientOptions } from "./sfu/port.ts";

/** An interrupted connection that is not back after this long is made anew; rtc-node's own attempts can go on for much longer. */
const MAX_INTERRUPTION_MS = 15_000;

type TrackCodec = NonNullable<SfuClientOptions["publishes"]>;
export interface UsualCodec {
  codec: TrackCodec;
}

export const G711_AS = ["g711", "opus"] as const;
/** How the SFU gets the voice of a G.711 phone: unchanged, or encoded once as Opus, whose FEC survives a lossy path. */
export type G711As = (typeof G711_AS)[number];

export const parseG711As = (text: string | undefined): G711As => G711_AS.find((choice) => choice === text) ?? "g711";

export interface PhoneSfuDeps {
  readonly createSfuClient: CreateSfuClient;
  readonly listener: Listener;
  /** Who is heard through the SFU: members of the conference that are not phones in this worker. */
  readonly wants: (identity: string) => boolean;
  /** Codec of the last leg of this worker: most likely the next phone's as well, whatever its room. */
  readonly usual: UsualCodec;
  readonly g711As: G711As;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly onFact: (callId: string, fact: WorkerFact) => void;
}

/** The SFU connections of the phones of one conference, and the listener's part in their coming and going. */
export interface PhoneSfu {
  /** Connects the phone in place of the connection it has, if any. */
  replace(session: JoinSession, phone: Phone): Promise<void>;
  /**
   * After the phone got a leg: a track has one codec, and that is chosen when the SFU is joined, before the leg is known. Joins again
   * where frames of the leg would be encoded or lose their band; between A-law and mu-law a table is cheaper.
   */
  fitLeg(phone: Phone): Promise<void>;
  /** The phone's own media key. */
  setOwnKey(phone: Phone, key: MediaKey): void;
  /** Closes a connection; if it is the one that listens, the next takes over first. */
  close(client: SfuClient | undefined): Promise<void>;
}

const trackCodecFor = ({ format }: Leg, g711As: G711As): TrackCodec =>
  format.codec === "slin" || g711As === "opus" ? "opus" : format.codec;

interface Connection {
  readonly session: JoinSession;
  readonly codec: TrackCodec;
}

export const createPhoneSfu = (deps: PhoneSfuDeps): PhoneSfu => {
  const { listener, usual, g711As, log, onFact } = deps;
  const connections = new WeakMap<Phone, Connection>();
  const ownKeys = new WeakMap<Phone, MediaKey>();

  const open = (session: JoinSession, phone: Phone): SfuClient => {
    const { callId } = session;
    const codec = phone.leg === undefined ? usual.codec : trackCodecFor(phone.leg, g711As);
    connections.set(phone, { session, codec });
    let interruption: NodeJS.Timeout | undefined;
    const lost = (message: string): void => {
      if (phone.track.sfu === client) onFact(callId, { type: "media.sfuLost", message });
    };
    const client: SfuClient = deps.createSfuClient({
      address: session,
      publishes: codec,
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

  const replace = async (session: JoinSession, phone: Phone): Promise<void> => {
    const old = phone.track.sfu;
    const client = open(session, phone);
    // At once: the next message may be a key for it.
    phone.track.sfu = client;
    phone.setSfuConnected(false);
    const ownKey = ownKeys.get(phone);
    if (ownKey?.identity === session.identity) client.setKey(ownKey);
    try {
      await close(old);
      const startedAtMs = deps.nowMs();
      await client.connect();
      const connectMs = Math.round(deps.nowMs() - startedAtMs);
      log.info({ callId: session.callId, connectMs }, "the SFU is joined");
    } catch (error) {
      if (phone.track.sfu === client) phone.track.sfu = undefined;
      await client.close();
      throw error;
    }
    // `leave` closes a connection that is still being made, and `connect` then rejects; so this one is wanted.
    phone.setSfuConnected(true);
    listener.add(client);
  };

  return {
    replace,
    async fitLeg(phone) {
      const connection = connections.get(phone);
      if (connection === undefined || phone.leg === undefined || phone.track.sfu === undefined) return;
      const codec = trackCodecFor(phone.leg, g711As);
      usual.codec = codec;
      if (codec === connection.codec || (codec !== "opus" && connection.codec !== "opus")) return;
      log.info(
        { callId: connection.session.callId, codec },
        "the leg has another codec than the track: the SFU is joined again",
      );
      await replace(connection.session, phone);
    },
    setOwnKey(phone, key) {
      ownKeys.set(phone, key);
      phone.track.sfu?.setKey(key);
    },
    close,
  };
};
