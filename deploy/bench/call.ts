/** One call of a measurement, answered by a telephone of the bench. Times are epoch milliseconds. */
import { setTimeout as delay } from "node:timers/promises";
import { TONES_HZ } from "../lab/audio/tone.ts";
import { nowMs } from "../lab/member/hearing.ts";
import type { LabMember } from "../lab/member/member.ts";
import type { Telephone, Telephones } from "./phones/telephones.ts";

/** What alice says in the conference, and what a telephone says unless it is told otherwise. */
export const TALKER_HZ = TONES_HZ.alice;
export const TELEPHONE_HZ = TONES_HZ.outside;

export interface CallOptions {
  /** 0 answers with the first packet. */
  readonly ringMs: number;
  /** Default: one that was never called before. */
  readonly number?: string;
}

export interface Call {
  /** Who the phone is in the conference: Matrix user, or LiveKit identity. */
  readonly who: string;
  readonly phone: Telephone;
  /** The request was sent. */
  readonly requestedAtMs: number;
  /** The call came to the PBX. */
  readonly invitedAtMs: number;
  readonly answeredAtMs: number;
  /** First frame of the phone in the conference, and of the conference at the phone. */
  heardByAll(): Promise<{ inConferenceAtMs: number; atPhoneAtMs: number }>;
  /** The phone hangs up; resolves when the call is over and the talker uses the key that follows. */
  end(): Promise<void>;
}

/** Somebody who calls a number into the conference when asked: the gateway, or livekit-sip itself. */
export type Dial = (number: string) => Promise<{
  who: string;
  /** Resolves when nobody in the conference sees the phone any more. */
  waitForEnd(): Promise<void>;
  /** What whoever dialled says of the call, for an error message. */
  describe(): Promise<string>;
}>;

const WITHIN_MS = 10_000;
const POLL_MS = 20;

/** Rejects when it takes longer than 10 s. */
export const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
  const timer = new AbortController();
  const late = delay(WITHIN_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${WITHIN_MS / 1000} s for ${what}`);
  });
  late.catch(() => {});
  return Promise.race([promise, late]).finally(() => timer.abort());
};

/** Looks every 20 ms until `look` gives true; at most 10 s. */
export const until = async (what: string, look: () => Promise<boolean>): Promise<void> => {
  for (const endMs = nowMs() + WITHIN_MS; !(await look()); await delay(POLL_MS)) {
    if (nowMs() > endMs) throw new Error(`waited ${WITHIN_MS / 1000} s for ${what}`);
  }
};

/** js-sdk makes no other key until the one that follows a leave is in use, 1 s after the membership went. */
export const waitForNewKey = async (talker: LabMember, sinceMs: number): Promise<void> => {
  if ((await talker.ownKeySinceMs()) === undefined) return;
  await until("the talker to change its key", async () => ((await talker.ownKeySinceMs()) ?? 0) > sinceMs);
};

export const createCaller = (
  dial: Dial,
  talker: LabMember,
  telephones: Telephones,
): ((options: CallOptions) => Promise<Call>) => {
  return async (options) => {
    const number = options.number ?? telephones.freshNumber();
    const phone = telephones.expect({ number, ringMs: options.ringMs, toneHz: TELEPHONE_HZ });
    const requestedAtMs = nowMs();
    const dialled = await dial(number);
    const { who } = dialled;
    const explained = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw new Error(`the call to ${number} (${await dialled.describe()})`, { cause: error });
      }
    };
    const invitedAtMs = await explained(within("its INVITE", phone.invited));
    const answeredAtMs = await explained(within("its answer", phone.answered));
    return {
      who,
      phone,
      requestedAtMs,
      invitedAtMs,
      answeredAtMs,
      heardByAll: async () => {
        const heard = Promise.all([
          talker.hear(who, TELEPHONE_HZ, { sinceMs: requestedAtMs }),
          phone.hear(TALKER_HZ, { sinceMs: requestedAtMs }),
        ]);
        const [inConference, atPhone] = await explained(heard);
        return { inConferenceAtMs: inConference.firstFrameAtMs, atPhoneAtMs: atPhone.firstFrameAtMs };
      },
      end: async () => {
        const hungUpAtMs = nowMs();
        phone.hangUp();
        await dialled.waitForEnd();
        await waitForNewKey(talker, hungUpAtMs);
      },
    };
  };
};
