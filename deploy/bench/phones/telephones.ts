/**
 * Telephones of the bench, many at one address, behind the lab's PBX or in its place: each says a tone and bursts, hears, and tells when, on the same
 * clock as the lab's members. They run in the bench's own process.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type HeardTone, type HearOptions, nowMs } from "../../lab/member/hearing.ts";
import type { Burst } from "../../lab/member/talker.ts";
import { header, methodOf, parseSip, type SipMessage, statusOf } from "../../lab/livekit-sip/sip-message.ts";
import { confirm, createDialog, type Dialog } from "./dialog.ts";
import { createEar, type Handset, openHandset } from "./handset.ts";

const HOST = "127.0.0.1";
/** The PBX sends +33 1 99 00 1X XX here. */
const FIRST_NUMBER = 33199001000;
/** The PBX may repeat a message of a call that is over for so long (RFC 3261, timer F). */
const FORGET_AFTER_MS = 32_000;

export interface TelephoneOptions {
  /** Canonical; the PBX sends +33 1 99 00 1X XX here. */
  readonly number: string;
  /** 0 answers with the first packet. */
  readonly ringMs: number;
  /** What it says from the answer on; 0 is silence. */
  readonly toneHz: number;
}

/** One number that waits for one call. Times are epoch milliseconds. */
export interface Telephone {
  readonly number: string;
  /** Resolves with the moment at which the call came to the PBX, or to the telephone where there is none. */
  readonly invited: Promise<number>;
  /** Resolves with the moment at which the answer (200 OK) went out. */
  readonly answered: Promise<number>;
  readonly ended: Promise<void>;
  hear(frequencyHz: number, options?: HearOptions): Promise<HeardTone>;
  /** Packets of 20 ms that have come so far. */
  packets(): number;
  tone(frequencyHz: number, levelDbfs?: number): void;
  burst(burst: Burst): Promise<{ sentAtMs: number }>;
  /** Harmless when there is no call any more. */
  hangUp(): void;
}

export interface Telephones {
  /** The next call to this number. */
  expect(options: TelephoneOptions): Telephone;
  /** A number that nobody has called so far. */
  freshNumber(): string;
  close(): void;
}

interface Waiting {
  readonly ended: Promise<void>;
  take(invite: SipMessage, atMs: number): Dialog;
}

interface Sip {
  readonly address: string;
  readonly send: (datagram: Buffer) => void;
}

const createTelephone = (options: TelephoneOptions, sip: Sip): { telephone: Telephone; waiting: Waiting } => {
  const { number, ringMs, toneHz } = options;
  const invited = Promise.withResolvers<number>();
  const answered = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<void>();
  const ear = createEar(number);
  let dialog: Dialog | undefined;
  let handset: Handset | undefined;

  const talk = async (invite: SipMessage): Promise<void> => {
    handset = await openHandset(ear, toneHz);
    handset.rtp.connect(invite.body);
    dialog?.answer(handset.rtp.sdp);
    answered.resolve(nowMs());
  };

  const waiting: Waiting = {
    ended: ended.promise,
    take: (invite, atMs) => {
      invited.resolve(atMs);
      const timers: NodeJS.Timeout[] = [];
      const taken = createDialog({
        invite,
        ...sip,
        onEnded: () => {
          timers.forEach(clearTimeout);
          handset?.stop();
          ended.resolve();
        },
      });
      dialog = taken;
      if (ringMs === 0) void talk(invite);
      else {
        taken.ring();
        timers.push(setTimeout(() => void talk(invite), ringMs));
      }
      return taken;
    },
  };
  const talking = (): Handset["talker"] => {
    if (handset === undefined) throw new Error(`telephone ${number} has not answered`);
    return handset.talker;
  };
  const telephone: Telephone = {
    number,
    invited: invited.promise,
    answered: answered.promise,
    ended: ended.promise,
    hear: (frequencyHz, hear) => ear.hear(frequencyHz, hear),
    packets: () => ear.packets(),
    tone: (frequencyHz, levelDbfs) => talking().tone(frequencyHz, levelDbfs),
    burst: (burst) => talking().burst(burst),
    hangUp: () => dialog?.hangUp(),
  };
  return { telephone, waiting };
};

/** @param callerPort SIP port from which all calls come: the PBX's, or the trunk's where the telephones are in the PBX's place */
export const openTelephones = async (port: number, callerPort: number): Promise<Telephones> => {
  const socket = createSocket("udp4");
  socket.bind(port, HOST);
  await once(socket, "listening");
  const sip: Sip = { address: `${HOST}:${port}`, send: (datagram) => socket.send(datagram, callerPort, HOST) };
  let fresh = FIRST_NUMBER;
  const expected = new Map<string, Waiting>();
  const dialogs = new Map<string, Dialog>();

  const takeCall = (invite: SipMessage): void => {
    // sip:+33199001000@127.0.0.1:PORT;at=1790000000123 (deploy/lab/pbx/extensions.conf); the trunk itself says no time.
    const [, number = "", at] = /^sip:([^@;]+)@[^;]*(?:;at=(\d+))?/.exec(invite.startLine.split(" ")[1]!) ?? [];
    const waiting = expected.get(number);
    expected.delete(number);
    if (waiting === undefined) {
      const refusal = createDialog({ invite, ...sip, onEnded: () => {} });
      return refusal.hangUp();
    }
    const callId = header(invite, "call-id");
    dialogs.set(callId, waiting.take(invite, at === undefined ? nowMs() : Number(at)));
    void waiting.ended.then(() => setTimeout(() => dialogs.delete(callId), FORGET_AFTER_MS).unref());
  };
  socket.on("message", (datagram) => {
    const message = parseSip(datagram);
    if (message === undefined) return;
    const method = methodOf(message);
    const isRequest = statusOf(message) === undefined;
    const dialog = dialogs.get(header(message, "call-id"));
    if (dialog !== undefined) dialog.receive(message, method, isRequest);
    else if (isRequest && method === "INVITE") takeCall(message);
    else if (isRequest && method === "OPTIONS") sip.send(confirm(message));
  });

  return {
    expect: (options) => {
      const { telephone, waiting } = createTelephone(options, sip);
      expected.set(options.number, waiting);
      return telephone;
    },
    freshNumber: () => `+${fresh++}`,
    close: () => {
      for (const dialog of dialogs.values()) dialog.hangUp();
      socket.close();
    },
  };
};
