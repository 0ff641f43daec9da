import { randomInt } from "node:crypto";

import {
  Audio,
  type DataChannel,
  initLogger,
  PeerConnection,
  RtcpNackResponder,
  RtcpReceivingSession,
  type Track,
} from "node-datachannel";

import { AUDIO_LEVEL_EXTENSION, PAYLOAD_TYPE, type RtpCodec } from "./rtp.ts";
import { withoutCandidates } from "./sdp.ts";

/** Packets kept to be sent again when the SFU misses one: 2 s. */
const HISTORY_PACKETS = 100;
const OPUS_PARAMETERS = "minptime=10;useinbandfec=1";
/** Section of the track we publish. */
export const SEND_MID = "0";
/** The SFU counts a connection with one of its data channels as up only when it has both. */
const RELIABLE = "_reliable";
const DATA_CHANNELS = { [RELIABLE]: {}, _lossy: { unordered: true, maxRetransmits: 0 } } as const;

export type PeerState = "connected" | "disconnected" | "failed";

export interface PeerOptions {
  /** Of the track we publish. */
  readonly codec: RtpCodec;
  readonly onState: (state: PeerState) => void;
  /** A packet of the section `mid`; RTCP is not among them. */
  readonly onPacket: (mid: string, packet: Buffer) => void;
  /** What other participants send as data; left out: there are no data channels. */
  readonly onData?: (message: Buffer) => void;
}

/**
 * One connection of libdatachannel that publishes one audio track and receives others. It never gets new ICE credentials: a second
 * set aborts the process (facts: light-media.md section 3).
 */
export interface Peer {
  /** Id by which the SFU tells our track. */
  readonly cid: string;
  readonly ssrc: number;
  /** A new offer with all sections there are. */
  offer(): string;
  addReceiveSections(count: number): void;
  /** Throws on SDP that cannot be applied. */
  applyAnswer(sdp: string): void;
  /** Ignores what is not a candidate. */
  addCandidate(candidate: string, mid: string): void;
  /** RTP of our track, or RTCP of any; lost while not connected. */
  send(packet: Buffer): void;
  /** To other participants, over the channel that loses nothing and keeps the order. False where there is none, or not yet. */
  sendData(message: Uint8Array): boolean;
  close(): void;
}

// Its own log is only good for debugging it, and goes to standard output.
initLogger("Fatal", () => {});

const RTP_NAMES: Readonly<Record<RtpCodec, string>> = { opus: "opus", alaw: "PCMA", ulaw: "PCMU" };
const CODECS: readonly RtpCodec[] = ["opus", "alaw", "ulaw"];

/**
 * All codecs in every section: what the first one lacks, the SFU uses in none (facts: light-media.md section 2, point 6). The one
 * named first is the only one that the SFU takes for our track: it drops packets of the others (livekit-server 1.13.5).
 */
const addCodecs = (section: Audio, preferred: RtpCodec): void => {
  for (const codec of [preferred, ...CODECS.filter((other) => other !== preferred)]) {
    if (codec === "opus") section.addOpusCodec(PAYLOAD_TYPE.opus, OPUS_PARAMETERS);
    else section.addAudioCodec(PAYLOAD_TYPE[codec], RTP_NAMES[codec]);
    section.parseSdpLine(`a=rtcp-fb:${PAYLOAD_TYPE[codec]} nack`);
  }
};

export const createPeer = ({ codec, onState, onPacket, onData }: PeerOptions): Peer => {
  const cid = `phone-${crypto.randomUUID()}`;
  const ssrc = randomInt(1, 2 ** 32);
  const connection = new PeerConnection("phone", {
    iceServers: [],
    disableAutoNegotiation: true,
    forceMediaTransport: true,
  });
  /** Held, because a section whose object is collected is closed. */
  const receivers: Track[] = [];
  let closed = false;

  const addSendSection = (): Track => {
    const section = new Audio(SEND_MID, "SendOnly");
    addCodecs(section, codec);
    section.parseSdpLine(`a=extmap:${AUDIO_LEVEL_EXTENSION.id} ${AUDIO_LEVEL_EXTENSION.uri}`);
    section.addSSRC(ssrc, cid, "phone", cid);
    const track = connection.addTrack(section);
    track.setMediaHandler(new RtcpNackResponder(HISTORY_PACKETS));
    track.onMessage(() => {}); // what nobody takes is kept
    return track;
  };
  const sender = addSendSection();
  /** libdatachannel gives the data channels the first free section. */
  const firstReceiver = onData === undefined ? 1 : 2;

  const addDataChannels = (take: (message: Buffer) => void): DataChannel[] =>
    Object.entries(DATA_CHANNELS).map(([label, config]) => {
      const channel = connection.createDataChannel(label, config);
      channel.onMessage((message) => {
        if (!closed && Buffer.isBuffer(message)) take(message);
      });
      return channel;
    });
  /** Held, as the sections. */
  const channels = onData === undefined ? [] : addDataChannels(onData);

  connection.onStateChange((state) => {
    if (closed) return;
    if (state === "connected" || state === "disconnected" || state === "failed") onState(state);
    else if (state === "closed") onState("failed");
  });

  return {
    cid,
    ssrc,
    offer() {
      connection.setLocalDescription("offer");
      const description = connection.localDescription();
      if (description === null) throw new Error("libdatachannel made no offer");
      return withoutCandidates(description.sdp);
    },
    addReceiveSections(count) {
      for (let i = 0; i < count; i++) {
        const mid = String(receivers.length + firstReceiver);
        const section = new Audio(mid, "RecvOnly");
        addCodecs(section, "opus");
        const track = connection.addTrack(section);
        // Answers sender reports, so that the SFU knows the round trip, and keeps RTCP from us.
        track.setMediaHandler(new RtcpReceivingSession());
        track.onMessage((packet) => {
          if (!closed) onPacket(mid, packet);
        });
        receivers.push(track);
      }
    },
    applyAnswer: (sdp) => connection.setRemoteDescription(sdp, "answer"),
    addCandidate(candidate, mid) {
      try {
        connection.addRemoteCandidate(candidate, mid);
      } catch {
        // One that cannot be parsed is one way less to connect.
      }
    },
    send(packet) {
      if (closed || !sender.isOpen()) return;
      try {
        sender.sendMessageBinary(packet);
      } catch {
        // Closed between the question and the call, by the library's own thread.
      }
    },
    sendData(message) {
      const channel = closed ? undefined : channels.find((one) => one.isOpen() && one.getLabel() === RELIABLE);
      try {
        return channel?.sendMessageBinary(message) ?? false;
      } catch {
        return false; // as above
      }
    },
    close() {
      if (closed) return;
      closed = true;
      sender.close();
      for (const section of [...receivers, ...channels]) section.close();
      connection.close();
    },
  };
};
