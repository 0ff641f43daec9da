/** Many phones that dial one room at the same second. */
import { setTimeout as delay } from "node:timers/promises";
import { nowMs } from "../../lab/member/hearing.ts";
import { TALKER_HZ, TELEPHONE_HZ, until, waitForNewKey } from "../call.ts";
import { type DialInStage, ROOM_NUMBER, startDialInStage } from "../dial-in-stage.ts";
import { type Measurement, runs } from "../measurement.ts";
import type { CallingTelephone } from "../phones/callers.ts";

const CALLERS = 40;
const ARRIVE_WITHIN_MS = 2000;
/** A call that is later than that is lost. */
const LOST_AFTER_MS = 60_000;
/** A lab member that decodes forty phones takes a core for itself: it hears each tenth, and every phone listens. */
const LISTENED_TO_EVERY = 10;

const callerOf = (index: number): string => String(1600 + index);
const isListenedTo = (index: number): boolean => index % LISTENED_TO_EVERY === 0;

interface Arrival {
  readonly telephone: CallingTelephone;
  readonly ghost: string;
  /** Milliseconds from the first INVITE until the phone hears, and is heard where somebody listens to it. */
  readonly afterMs: number;
}

const arrive = async (stage: DialInStage, index: number, startedAtMs: number): Promise<Arrival> => {
  const caller = callerOf(index);
  const ghost = stage.lab.gateway.ghost(caller);
  const telephone = await stage.dial(caller, ROOM_NUMBER, TELEPHONE_HZ);
  const when = { sinceMs: startedAtMs, withinMs: LOST_AFTER_MS };
  const passed = await Promise.all([
    telephone.hear(TALKER_HZ, when),
    ...(isListenedTo(index) ? [stage.talker.hear(ghost, TELEPHONE_HZ, when)] : []),
  ]);
  telephone.tone(0);
  return { telephone, ghost, afterMs: Math.max(...passed.map(({ firstFrameAtMs }) => firstFrameAtMs)) - startedAtMs };
};

/** One after the other: leaving is work for the homeserver as well, and must not last into the next arrival. */
const leave = async ({ lab, talker, roomId, bob }: DialInStage, arrivals: readonly Arrival[]): Promise<void> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/joined_members`;
  let hungUpAtMs = 0;
  for (const { telephone, ghost } of arrivals) {
    hungUpAtMs = nowMs();
    telephone.hangUp();
    await talker.waitForNoMember(ghost);
    await until(`${ghost} to leave the room`, async () => {
      const { joined } = await lab.homeserver.request<{ joined: object }>("GET", path, { user: bob });
      return !Object.hasOwn(joined, ghost);
    });
  }
  await waitForNewKey(talker, hungUpAtMs);
};

export const crowd: Measurement = {
  bars: ["crowd"],
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const indexes = Array.from({ length: runs(CALLERS, context) }, (_, index) => index);
    const talkerHears = indexes.filter(isListenedTo).map(callerOf);
    const stage = await startDialInStage(scope, { ...context, talkerHears, inPlaceOfPbx: "callers" });

    /** All of them; a call that is lost is `undefined`. */
    const comeTogether = async (): Promise<(Arrival | undefined)[]> => {
      const startedAtMs = nowMs();
      const arrivals = await Promise.allSettled(
        indexes.map(async (index) => {
          await delay((ARRIVE_WITHIN_MS / indexes.length) * index);
          return arrive(stage, index, startedAtMs);
        }),
      );
      for (const { reason } of arrivals.filter((arrival) => arrival.status === "rejected")) {
        context.progress(`a call is lost: ${String(reason).split("\n")[0]}`);
      }
      const found = arrivals.map((arrival) => (arrival.status === "fulfilled" ? arrival.value : undefined));
      context.progress(`in after ${found.map((one) => ((one?.afterMs ?? Infinity) / 1000).toFixed(1)).join(" ")} s`);
      return found;
    };

    // Who calls into a meeting has mostly been there before: the first time makes the users, and is not counted.
    const before = (await comeTogether()).filter((arrival) => arrival !== undefined);
    await leave(stage, before);
    const arrivals = await comeTogether();
    return { crowd: arrivals.map((arrival) => arrival?.afterMs ?? Infinity) };
  },
};
