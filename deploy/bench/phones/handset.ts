/** Ear and mouth of a telephone of the bench: A-law over RTP, heard and timed as it arrives. */
import { createHearing, type HeardTone, type HearOptions, nowMs } from "../../lab/member/hearing.ts";
import { startTalker, type Talker } from "../../lab/member/talker.ts";
import { createRtpLeg, type RtpLeg, SAMPLES_PER_FRAME } from "../../lab/livekit-sip/rtp.ts";

const HOST = "127.0.0.1";
const RATE_HZ = 8000;
const PCMA = 8;
/** Two packets. */
const HEARING_WINDOW_MS = 40;
const KEEP_MS = 20_000;
const TRUNK = "trunk";

export interface Ear {
  add(samples: Int16Array): void;
  hear(frequencyHz: number, options?: HearOptions): Promise<HeardTone>;
  /** Packets of 20 ms that have come so far. */
  packets(): number;
}

export const createEar = (number: string): Ear => {
  const hearing = createHearing({ sampleRateHz: RATE_HZ, windowMs: HEARING_WINDOW_MS, keepMs: KEEP_MS });
  let packets = 0;
  return {
    add: (samples) => {
      packets += 1;
      hearing.add(TRUNK, samples, nowMs());
    },
    hear: (frequencyHz, options = {}) => hearing.hear(frequencyHz, { fromWhom: `the trunk, at ${number}`, ...options }),
    packets: () => packets,
  };
};

/** Packets of 20 ms, of the frames of 10 ms that a microphone gives. */
const inPackets = (send: (samples: Int16Array) => void): ((pcm: Int16Array) => void) => {
  let half: Int16Array | undefined;
  return (pcm) => {
    if (half === undefined) {
      half = pcm;
      return;
    }
    const packet = new Int16Array(SAMPLES_PER_FRAME);
    packet.set(half);
    packet.set(pcm, half.length);
    half = undefined;
    send(packet);
  };
};

export interface Handset {
  readonly rtp: RtpLeg;
  readonly talker: Talker;
  readonly stop: () => void;
}

/** Says a tone as soon as the leg is connected, and gives what it hears to `ear`. */
export const openHandset = async (ear: Ear, toneHz: number): Promise<Handset> => {
  const rtp = await createRtpLeg(HOST, { onSamples: (samples) => ear.add(samples), onKey: () => {} }, [PCMA]);
  const talker = startTalker(
    RATE_HZ,
    inPackets((samples) => rtp.send(samples)),
  );
  talker.tone(toneHz);
  return {
    rtp,
    talker,
    stop: () => {
      talker.stop();
      rtp.close();
    },
  };
};
