/** Calls a phone only to say a code: a leg and the lobby, without a conference. */
import { randomUUID } from "node:crypto";
import type { Outcome } from "./calls/outcome.ts";
import type { LegFact, LegMedia, SipPort } from "./calls/ports.ts";
import { dialTargets, type Trunk, voiceFor } from "./calls/trunk.ts";
import type { Voice } from "./calls/voice.ts";
import { GatewayError, toGatewayError } from "./errors.ts";
import { callId, type UserId } from "./ids.ts";
import type { Log } from "./log.ts";
import type { LobbyPort } from "./media/lobby-port.ts";
import type { Recording } from "./media/spoken-prompts.ts";
import { maskNumber } from "./numbering/format.ts";
import type { NumberPlan } from "./numbering/number-plan.ts";
import type { PhoneNumber } from "./numbering/phone-number.ts";

export interface ClaimCallsDeps {
  readonly sip: Pick<SipPort, "dial" | "hangup">;
  readonly lobby: LobbyPort;
  readonly trunks: readonly Trunk[];
  readonly plan: NumberPlan;
  readonly log: Log;
}

export interface ClaimCalls {
  /** Returns at once. Throws NO_ROUTE, or LIMIT_REACHED when too many are under way. */
  speak(number: PhoneNumber, user: UserId, code: string): void;
  /** Hangs up. Resolves when the legs are gone. */
  close(): Promise<void>;
}

/** Nobody has to run for it. */
const RING_MS = 40_000;
/** Ringing not counted; the words take a quarter of it. */
const MAX_DURATION_MS = 60_000;
/** So that claims leave the trunk to calls. */
const MOST_AT_ONCE = 2;
const TOKEN = 1;

/** Digits are spoken by the recordings of numbers, which begin with two. */
const wordsOf = (code: string, voice: Voice): readonly Recording[] => {
  const digits = Array.from(code, (digit): Recording => ({ ...voice, name: `number-${Number(digit)}` }));
  return [{ ...voice, name: "claim-code" }, ...digits, { ...voice, name: "claim-code" }, ...digits];
};

export const createClaimCalls = ({ sip, lobby, trunks, plan, log }: ClaimCallsDeps): ClaimCalls => {
  const running = new Set<(outcome: Outcome) => Promise<void>>();

  const speak: ClaimCalls["speak"] = (number, user, code) => {
    const call = callId(randomUUID());
    const subject = { kind: "user", userId: user } as const;
    const [target] = dialTargets(number, { subject, call }, { trunks, country: plan.country });
    if (target === undefined) throw new GatewayError("NO_ROUTE", `No trunk takes this number (class ${number.class}).`);
    if (running.size >= MOST_AT_ONCE) {
      throw new GatewayError("LIMIT_REACHED", "Others are claiming numbers. Try again in a minute.", {
        retryable: true,
      });
    }
    const { legId: leg, trunkId } = target;
    const voice = voiceFor(number, trunks.find(({ id }) => id === trunkId) ?? {});
    let entered: Promise<void> | undefined;

    const end = async (outcome: Outcome): Promise<void> => {
      if (!running.delete(end)) return;
      await Promise.all([lobby.leave(call), sip.hangup(leg, outcome)]);
    };
    const fail = (thrown: unknown): void => {
      if (!running.has(end)) return;
      const { code, message } = toGatewayError(thrown);
      log.warn({ callId: call, code }, `a code was not spoken: ${message}`);
      void end("media-failed");
    };
    const enter = (media: LegMedia): Promise<void> =>
      lobby.enter(call, media, (fact) => {
        if (fact.type === "lobby.lost") fail(new Error(fact.message));
        else void end("completed");
      });
    const answered = async (): Promise<void> => {
      try {
        if (entered === undefined) throw new GatewayError("MEDIA_FAILED", "the phone has no audio");
        await entered;
        await lobby.say(call, wordsOf(code, voice), TOKEN);
      } catch (thrown) {
        fail(thrown);
      }
    };
    const onFact = (fact: LegFact): void => {
      if (!running.has(end)) return;
      if (fact.type === "leg.mediaReady") {
        entered = enter(fact.media);
        entered.catch(fail);
      } else if (fact.type === "leg.answered") void answered();
      else if (fact.type === "leg.ended") {
        log.info({ callId: call, outcome: fact.outcome }, "the call with a code is over");
        void end(fact.outcome);
      }
    };

    running.add(end);
    log.info({ callId: call, trunkId, number: maskNumber(number), user }, "a number is called with a code");
    sip.dial({ callId: call, ...target, ringTimeoutMs: RING_MS, maxDurationMs: MAX_DURATION_MS }, onFact);
  };

  return {
    speak,
    close: async () => {
      await Promise.all([...running].map((end) => end("shutdown")));
    },
  };
};
