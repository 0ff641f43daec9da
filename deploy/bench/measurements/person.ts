/** One-to-one calls: how soon the other side rings, is heard, and learns that it is over. */
import { nowMs } from "../../lab/member/hearing.ts";
import { TALKER_HZ, TELEPHONE_HZ, within } from "../call.ts";
import type { Ring } from "../doorbell.ts";
import { type Measurement, type MeasurementContext, runs } from "../measurement.ts";
import {
  BOBS_NUMBER,
  CALLER,
  joins,
  leaves,
  momentOf,
  type PersonStage,
  refers,
  startPersonStage,
} from "../person-stage.ts";
import type { CallingTelephone } from "../phones/callers.ts";
import type { Telephone } from "../phones/telephones.ts";

const RUNS = 40;
const WARM_UPS = 2;
/** Longer than any run. */
const NEVER_MS = 60_000;
/** Callers whom bob has no chat with: 1100, 1101, ... */
const FIRST_NEW_CALLER = 1100;

const BARS = ["person-call", "person-ring", "person-ring-new", "person-in", "person-out", "person-end"] as const;
type Found = Partial<Record<(typeof BARS)[number], number>>;

type Ending = (call: {
  readonly stage: PersonStage;
  readonly phone: Telephone;
  readonly sinceMs: number;
}) => Promise<number>;

/** How a call of alice ends, and how long the other side takes to learn it. */
const ENDINGS: readonly { readonly isAnswered: boolean; readonly end: Ending }[] = [
  {
    isAnswered: false,
    // The phone declines.
    end: async ({ stage: { alice, chat, eventOf }, phone, sinceMs }) => {
      await eventOf(alice.userId, chat.roomId, sinceMs, refers(alice.userId));
      const endedAtMs = nowMs();
      phone.hangUp();
      const decline = await eventOf(alice.userId, chat.roomId, endedAtMs, refers(chat.ghost));
      await alice.leaveCall();
      return decline.origin_server_ts - endedAtMs;
    },
  },
  {
    isAnswered: false,
    // She gives up.
    end: async ({ stage, phone, sinceMs }) => aliceLeaves(stage, phone, sinceMs),
  },
  {
    isAnswered: true,
    end: async ({ stage, phone, sinceMs }) => {
      await stage.alice.hear(stage.chat.ghost, TELEPHONE_HZ, { sinceMs });
      return aliceLeaves(stage, phone, sinceMs);
    },
  },
  {
    isAnswered: true,
    // The phone hangs up.
    end: async ({ stage: { alice, chat, eventOf }, phone, sinceMs }) => {
      await alice.hear(chat.ghost, TELEPHONE_HZ, { sinceMs });
      const endedAtMs = nowMs();
      phone.hangUp();
      const left = await eventOf(alice.userId, chat.roomId, endedAtMs, leaves(chat.ghost));
      await alice.leaveCall();
      return left.origin_server_ts - endedAtMs;
    },
  },
];

const aliceLeaves = async (stage: PersonStage, phone: Telephone, sinceMs: number): Promise<number> => {
  const { alice, chat } = stage;
  const told = momentOf(phone.ended);
  await alice.leaveCall();
  const left = await stage.eventOf(alice.userId, chat.roomId, sinceMs, leaves(alice.userId));
  return (await within("the end of the call at the PBX", told)) - left.origin_server_ts;
};

const callNumber = async (stage: PersonStage, run: number): Promise<Found> => {
  const { alice, chat } = stage;
  const { isAnswered, end } = ENDINGS[run % ENDINGS.length]!;
  const sinceMs = nowMs();
  const phone = stage.telephones.expect({
    number: chat.number,
    ringMs: isAnswered ? 0 : NEVER_MS,
    toneHz: TELEPHONE_HZ,
  });
  await alice.join();
  const invitedAtMs = await within("the INVITE", phone.invited);
  const joined = await stage.eventOf(alice.userId, chat.roomId, sinceMs, joins(alice.userId));
  const endMs = await end({ stage, phone, sinceMs });
  await stage.quiet();
  return { "person-call": invitedAtMs - joined.origin_server_ts, "person-end": endMs };
};

const ringBob = async (
  { callers, doorbell, lab }: PersonStage,
  caller: string,
): Promise<{ readonly telephone: CallingTelephone; readonly ring: Ring; readonly rangMs: number }> => {
  const telephone = await callers.dial({ caller, called: BOBS_NUMBER, toneHz: TELEPHONE_HZ });
  const ring = await doorbell.waitForRing(lab.gateway.ghost(caller), telephone.dialledAtMs);
  return { telephone, ring, rangMs: ring.seenAtMs - telephone.dialledAtMs };
};

/** The telephone hangs up or gives up; resolves with how long its membership stayed. */
const hangUp = async ({ bob, eventOf }: PersonStage, telephone: CallingTelephone, ring: Ring): Promise<number> => {
  const endedAtMs = nowMs();
  telephone.hangUp();
  const left = await eventOf(bob.userId, ring.roomId, endedAtMs, leaves(ring.caller));
  return left.origin_server_ts - endedAtMs;
};

const callAccepted = async (stage: PersonStage, run: number): Promise<Found> => {
  const { bob, eventOf } = stage;
  const { telephone, ring, rangMs } = await ringBob(stage, CALLER);
  const sinceMs = telephone.dialledAtMs;
  // Connects to the SFU first.
  await bob.join();
  const accepted = await eventOf(bob.userId, ring.roomId, sinceMs, joins(bob.userId));
  const [atBob, atPhone] = await Promise.all([
    bob.hear(ring.caller, TELEPHONE_HZ, { sinceMs }),
    telephone.hear(TALKER_HZ, { sinceMs }),
  ]);
  const hangsUp = run % 2 === 0 ? await hangUp(stage, telephone, ring) : undefined;
  await bob.leaveCall();
  const left = await eventOf(bob.userId, ring.roomId, sinceMs, leaves(bob.userId));
  const endMs = hangsUp ?? (await within("the end at the telephone", telephone.ended)) - left.origin_server_ts;
  await stage.quiet();
  return {
    "person-ring": rangMs,
    "person-in": atBob.firstFrameAtMs - accepted.origin_server_ts,
    "person-out": atPhone.firstFrameAtMs - accepted.origin_server_ts,
    "person-end": endMs,
  };
};

const callNew = async (stage: PersonStage, run: number): Promise<Found> => {
  const { bob, doorbell, eventOf } = stage;
  const { telephone, ring, rangMs } = await ringBob(stage, String(FIRST_NEW_CALLER + run));
  let endMs: number;
  if (run % 2 === 0) endMs = await hangUp(stage, telephone, ring);
  else {
    await doorbell.decline(ring);
    const decline = await eventOf(bob.userId, ring.roomId, ring.seenAtMs, refers(bob.userId));
    endMs = (await within("the refusal at the telephone", telephone.ended)) - decline.origin_server_ts;
  }
  await stage.quiet();
  return { "person-ring-new": rangMs, "person-end": endMs };
};

const KINDS = { "alice calls": callNumber, "bob accepts": callAccepted, "a new caller": callNew } as const;

export const person: Measurement = {
  bars: BARS,
  run: async (context: MeasurementContext) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startPersonStage(scope, context);
    const samples: Partial<Record<(typeof BARS)[number], number[]>> = {};
    for (const [words, call] of Object.entries(KINDS)) {
      for (let run = -WARM_UPS; run < runs(RUNS, context); run++) {
        const found = await call(stage, run + WARM_UPS);
        if (run < 0) continue;
        for (const bar of BARS) if (found[bar] !== undefined) (samples[bar] ??= []).push(found[bar]);
        const told = Object.entries(found).map(([bar, ms]) => `${bar} ${ms.toFixed(0)} ms`);
        context.progress(`${words} ${run + 1}: ${told.join(", ")}`);
      }
    }
    return samples;
  },
};
