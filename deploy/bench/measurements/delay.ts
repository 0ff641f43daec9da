/**
 * Delay that the gateway with its Asterisk adds: bursts from the phone's RTP to a subscriber of the SFU and from a member to the phone's
 * RTP, minus the same member to the same subscriber. Then the same after the media workers stood still for 300 ms.
 */
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import type { LabMember } from "../../lab/member/member.ts";
import { type Call, TALKER_HZ, TELEPHONE_HZ } from "../call.ts";
import { type Measurement, runs, startStage } from "../measurement.ts";
import type { Stage } from "../stage.ts";
import { median } from "../stats.ts";

const BURSTS = 60;
const STALLS = 40;
/** One and a half seconds of bursts, from 2 s after a stall on. */
const BURSTS_PER_STALL = 6;
const STALL_MS = 300;
const RECOVERY_MS = 2000;
const BURST_MS = 120;
/** Silence between bursts: longer than all delays together. */
const PAUSE_MS = 150;
const HEAR_WITHIN_MS = 2000;
/** Bursts that may get lost, of those heard: more of them, and it is no delay that is wrong. */
const MAY_BE_LOST = 0.2;

interface Round {
  /** ms from the phone, and from the member, to their hearers. */
  readonly phoneToSubscriber: number;
  readonly memberToPhone: number;
  readonly memberToSubscriber: number;
}

export interface Scene {
  readonly stage: Pick<Stage, "talker" | "workerPids">;
  readonly call: Call;
  readonly subscriber: LabMember;
  readonly progress: (line: string) => void;
}

/** One burst from each side, at the same time: each hearer knows them apart by frequency and source. */
const playRound = async ({ stage, call, subscriber }: Scene): Promise<Round> => {
  // Against the clocks of frames and ticks: each burst meets them at another moment.
  await delay(PAUSE_MS + Math.random() * 20);
  const hear = { sinceMs: nowMs(), withinMs: HEAR_WITHIN_MS };
  const [fromMember, fromPhone, memberAtSubscriber, phoneAtSubscriber, memberAtPhone] = await Promise.all([
    stage.talker.publishBurst({ frequencyHz: TALKER_HZ, durationMs: BURST_MS }),
    call.phone.burst({ frequencyHz: TELEPHONE_HZ, durationMs: BURST_MS }),
    subscriber.hear(stage.talker.userId, TALKER_HZ, hear),
    subscriber.hear(call.who, TELEPHONE_HZ, hear),
    call.phone.hear(TALKER_HZ, hear),
  ]);
  return {
    phoneToSubscriber: phoneAtSubscriber.firstFrameAtMs - fromPhone.sentAtMs,
    memberToPhone: memberAtPhone.firstFrameAtMs - fromMember.sentAtMs,
    memberToSubscriber: memberAtSubscriber.firstFrameAtMs - fromMember.sentAtMs,
  };
};

/** A burst that the busy machine swallows is played again; it is told, and many of them are an error. */
export const playRounds = async (scene: Scene, count: number): Promise<Round[]> => {
  const rounds: Round[] = [];
  for (let lost = 0; rounds.length < count;) {
    try {
      rounds.push(await playRound(scene));
    } catch (error) {
      lost += 1;
      scene.progress(`a burst was lost: ${String(error).split("\n")[0]}`);
      if (lost > Math.max(2, count * MAY_BE_LOST)) throw error;
    }
  }
  return rounds;
};

/** What the gateway adds, per round; without it audio takes as long as from member to subscriber. */
const added = (rounds: readonly Round[]) => {
  const withoutGateway = median(rounds.map((round) => round.memberToSubscriber));
  return {
    in: rounds.map((round) => round.phoneToSubscriber - withoutGateway),
    out: rounds.map((round) => round.memberToPhone - withoutGateway),
  };
};

/** What the gateway adds, in the middle. */
export const medianAdded = (rounds: readonly Round[]): { in: number; out: number } => {
  const { in: inward, out: outward } = added(rounds);
  return { in: median(inward), out: median(outward) };
};

/** What the gateway adds 2 s after the workers stood still. */
const addedAfterStall = async (scene: Scene): Promise<{ in: number; out: number }> => {
  const workers = scene.stage.workerPids();
  for (const pid of workers) process.kill(pid, "SIGSTOP");
  await delay(STALL_MS);
  for (const pid of workers) process.kill(pid, "SIGCONT");
  await delay(RECOVERY_MS);
  return medianAdded(await playRounds(scene, BURSTS_PER_STALL));
};

export const delays: Measurement = {
  bars: ["delay-in", "delay-out", "stall-in", "stall-out"],
  run: async (context) => {
    await using stage = await startStage(context);
    await using subscriber = await stage.join(stage.bob);
    const call = await stage.call({ ringMs: 0 });
    await call.heardByAll();
    const scene = { stage, call, subscriber, progress: context.progress };
    await subscriber.hear(call.who, TELEPHONE_HZ);
    await stage.talker.publishTone(0);
    call.phone.tone(0);
    // Keys of three members settle, and the jitter buffers with them.
    await delay(5000);
    const rounds = await playRounds(scene, runs(BURSTS, context));
    const { in: inward, out: outward } = added(rounds);
    context.progress(`without the gateway ${median(rounds.map((round) => round.memberToSubscriber)).toFixed(0)} ms`);
    // What stalls are compared with: right before one is what the last one left.
    const before = medianAdded(rounds);
    context.progress(`added: in ${before.in.toFixed(0)} ms, out ${before.out.toFixed(0)} ms`);
    const stalls: { in: number; out: number }[] = [];
    const stallCount = stage.workerPids().length === 0 ? 0 : runs(STALLS, context);
    for (let i = 0; i < stallCount; i++) {
      const after = await addedAfterStall(scene);
      const more = { in: after.in - before.in, out: after.out - before.out };
      stalls.push(more);
      context.progress(`stall ${i + 1}: ${more.in.toFixed(0)} ms more in, ${more.out.toFixed(0)} ms more out`);
    }
    await call.end();
    return {
      "delay-in": inward,
      "delay-out": outward,
      "stall-in": stalls.map((one) => one.in),
      "stall-out": stalls.map((one) => one.out),
    };
  },
};
