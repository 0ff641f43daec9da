/** One call of a measurement: asked for through the API, answered by a telephone of the bench. Times are epoch milliseconds. */
import { setTimeout as delay } from "node:timers/promises";
import { TONES_HZ } from "../lab/audio/tone.ts";
import type { Lab } from "../lab/lab.ts";
import { nowMs } from "../lab/member/hearing.ts";
import type { LabMember } from "../lab/member/member.ts";
import type { Telephone, Telephones } from "./phones/telephones.ts";

export interface Call {
  readonly ghost: string;
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

export interface CallerDeps {
  readonly lab: Lab;
  readonly roomId: string;
  readonly talker: LabMember;
  readonly telephones: Telephones;
}

/** The PBX sends +33 1 99 00 1X XX to the bench's telephones. */
const FIRST_NUMBER = 33199001000;
const WITHIN_MS = 10_000;
const POLL_MS = 20;

const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
  const timer = new AbortController();
  const late = delay(WITHIN_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${WITHIN_MS / 1000} s for ${what}`);
  });
  late.catch(() => {});
  return Promise.race([promise, late]).finally(() => timer.abort());
};

export const createCaller = ({ lab, roomId, talker, telephones }: CallerDeps) => {
  let used = 0;

  const isOver = async (callId: string): Promise<boolean> =>
    (await lab.gateway.api("GET", `/api/v1/calls/${callId}`)).body["state"] === "ended";

  const end = async (call: Pick<Call, "ghost" | "phone">, callId: string): Promise<void> => {
    const hungUpAtMs = nowMs();
    call.phone.hangUp();
    await talker.waitForNoMember(call.ghost);
    for (const endMs = nowMs() + WITHIN_MS; !(await isOver(callId)); await delay(POLL_MS)) {
      if (nowMs() > endMs) throw new Error(`the call ${callId} did not end`);
    }
    // js-sdk makes no other key until this one is in use, 1 s after the membership went.
    for (const endMs = nowMs() + WITHIN_MS; ; await delay(POLL_MS)) {
      const since = await talker.ownKeySinceMs();
      if (since === undefined || since > hungUpAtMs) return;
      if (nowMs() > endMs) throw new Error("the talker did not change its key after a phone had left");
    }
  };

  /** A number without `number` has never been called before. */
  const call = async (options: { ringMs: number; number?: string; toneHz?: number }): Promise<Call> => {
    const number = options.number ?? `+${FIRST_NUMBER + used++}`;
    const phone = telephones.expect({ number, ringMs: options.ringMs, toneHz: options.toneHz ?? TONES_HZ.outside });
    const ghost = lab.gateway.ghost(number);
    const requestedAtMs = nowMs();
    const { status, body } = await lab.gateway.api("POST", "/api/v1/calls", { room_id: roomId, number });
    if (status !== 201) throw new Error(`the gateway refused the call: ${status} ${JSON.stringify(body)}`);
    const invitedAtMs = await within(`the INVITE of ${number}`, phone.invited);
    const answeredAtMs = await within(`${number} to answer`, phone.answered);
    return {
      ghost,
      phone,
      requestedAtMs,
      invitedAtMs,
      answeredAtMs,
      heardByAll: async () => {
        const [inConference, atPhone] = await Promise.all([
          talker.hear(ghost, options.toneHz ?? TONES_HZ.outside, { sinceMs: requestedAtMs }),
          phone.hear(TONES_HZ.alice, { sinceMs: requestedAtMs }),
        ]);
        return { inConferenceAtMs: inConference.firstFrameAtMs, atPhoneAtMs: atPhone.firstFrameAtMs };
      },
      end: () => end({ ghost, phone }, String(body["call_id"])),
    };
  };
  return { call };
};
