/** Telephones of the bench that dial: each call is one telephone, behind the lab's PBX or in its place, in the bench's own process. Times are epoch ms. */
import { type HeardTone, type HearOptions, nowMs } from "../../lab/member/hearing.ts";
import { createSipUa, type Dialog } from "../../lab/livekit-sip/sip-ua.ts";
import { freeUdpPort } from "../../lab/ports.ts";
import { createEar, openHandset } from "./handset.ts";

const HOST = "127.0.0.1";
const ANSWER_WITHIN_MS = 60_000;
/** The PBX knows a telephone by its user name (deploy/lab/pbx/pjsip.conf); its number is in P-Asserted-Identity. */
const ENDPOINT = "telephones";

export interface DialOptions {
  /** Who calls: an extension, or a number in the form in which the PBX gets it. */
  readonly caller: string;
  readonly called: string;
  /** What it says from the answer on. */
  readonly toneHz: number;
}

/** One call that a telephone makes. */
export interface CallingTelephone {
  readonly dialledAtMs: number;
  /** Resolves with the moment of the first 18x. */
  readonly ringing: Promise<number>;
  /** Resolves with the moment of the answer; rejects with the PBX's refusal. */
  readonly answered: Promise<number>;
  /** Resolves with the moment at which there is no call any more, whoever ended or refused it. */
  readonly ended: Promise<number>;
  hear(frequencyHz: number, options?: HearOptions): Promise<HeardTone>;
  tone(frequencyHz: number): void;
  /** Presses one key after the other (RFC 4733); resolves with the moment at which the last one was let go. */
  press(keys: string): Promise<number>;
  /** Harmless when there is no call any more. */
  hangUp(): void;
}

export interface Callers {
  dial(options: DialOptions): Promise<CallingTelephone>;
  close(): void;
}

/**
 * @param calledPort SIP port of the lab's PBX, or of the gateway's trunk where the telephones are in the PBX's place
 * @param port their own; default: any
 */
export const openCallers = async (calledPort: number, port?: number): Promise<Callers> => {
  const ua = await createSipUa(HOST, port ?? (await freeUdpPort()));
  const open = new Set<CallingTelephone>();

  const dial = async ({ caller, called, toneHz }: DialOptions): Promise<CallingTelephone> => {
    const ringing = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<number>();
    const giveUp = new AbortController();
    const ear = createEar(caller);
    const { rtp, talker, stop } = await openHandset(ear, toneHz);
    let dialog: Dialog | undefined;

    const dialledAtMs = nowMs();
    const invited = ua.invite({
      user: called,
      peer: { host: HOST, port: calledPort },
      from: { user: ENDPOINT },
      headers: { "P-Asserted-Identity": `<sip:${caller}@${HOST}>` },
      sdp: rtp.sdp,
      ringTimeoutMs: ANSWER_WITHIN_MS,
      onRinging: () => ringing.resolve(nowMs()),
      signal: giveUp.signal,
    });
    const answer = async (): Promise<number> => {
      try {
        dialog = await invited;
      } catch (error) {
        ended.resolve(nowMs());
        stop();
        throw new Error(`${caller} called ${called}`, { cause: error });
      }
      rtp.connect(dialog.remoteSdp);
      void dialog.ended.then(() => {
        ended.resolve(nowMs());
        stop();
      });
      return nowMs();
    };
    const answered = answer();
    // Whoever asks for it later gets it all the same.
    answered.catch(() => {});
    const telephone: CallingTelephone = {
      dialledAtMs,
      ringing: ringing.promise,
      answered,
      ended: ended.promise,
      hear: (frequencyHz, hear) => ear.hear(frequencyHz, hear),
      tone: (frequencyHz) => talker.tone(frequencyHz),
      press: async (keys) => {
        let letGoAtMs = nowMs();
        for (const key of keys) letGoAtMs = await rtp.press(key);
        return letGoAtMs;
      },
      hangUp: () => {
        open.delete(telephone);
        if (dialog === undefined) giveUp.abort();
        else dialog.bye();
      },
    };
    open.add(telephone);
    return telephone;
  };

  return {
    dial,
    close: () => {
      for (const telephone of open) telephone.hangUp();
      ua.close();
    },
  };
};
