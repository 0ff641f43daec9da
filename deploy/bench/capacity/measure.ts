/** What phones cost while more and more of them talk in one encrypted conference, and whether everybody is still heard well. */
import { setTimeout as delay } from "node:timers/promises";
import { cpus } from "node:os";
import type { Lab } from "../../lab/lab.ts";
import { nowMs } from "../../lab/member/hearing.ts";
import { type Call, TALKER_HZ, TELEPHONE_HZ, until } from "../call.ts";
import { openGatewayConference } from "../gateway-stage.ts";
import { medianAdded, playRounds } from "../measurements/delay.ts";
import { cpuSeconds, residentMb, treeOf } from "../processes.ts";
import { median } from "../stats.ts";

/** The gateway's two ways into the SFU: `media.sfu_client`. */
export const SFU_CLIENTS = ["light", "native"] as const;
export type SfuClientName = (typeof SFU_CLIENTS)[number];

/** Shares of one core in %, per phone, with everything fixed divided among the phones. */
export interface Shares {
  readonly gateway: number;
  readonly asterisk: number;
  readonly sfu: number;
}

/** The shares are the medians of `windows`. */
export interface CapacityRow extends Shares {
  readonly client: SfuClientName;
  readonly phones: number;
  readonly windows: readonly Shares[];
  /** Of the whole machine: PBX, telephones and members included. */
  readonly machineBusyPercent: number;
  readonly memoryMbPerPhone: number;
  /** Of the packets that every telephone should have got, of the one that got least. */
  readonly leastHeardPercent: number;
  /** Added by gateway and Asterisk, medians. */
  readonly delayInMs: number;
  readonly delayOutMs: number;
}

export interface CapacityOptions {
  readonly client: SfuClientName;
  /** Ascending. */
  readonly counts: readonly number[];
  /** How often the CPU of each count after the first is measured; default 1. */
  readonly windows?: number;
  /** Goes on to the next count also when the quality is not held. */
  readonly goesOn?: boolean;
  readonly folder?: string;
  readonly progress: (line: string) => void;
}

const WINDOW_MS = 15_000;
/** New keys, jitter buffers and queues settle. */
const SETTLE_MS = 15_000;
const DELAY_ROUNDS = 12;
/** Each one that joins costs the homeserver and the gateway something for every phone that is there: beyond so many, one by one. */
const TWO_AT_ONCE_UP_TO = 30;
const HEARS_WITHIN_MS = 20_000;
const MAY_BE_DEAF = 5;
/** Quiet enough that a hundred of them together are not clipped. */
const LEVEL_DBFS = -45;
const PACKETS_PER_SECOND = 50;
const FIRST_NUMBER = "+33199001900";

/** What counts as held: the quality limits of the issue. */
export const isGood = (row: CapacityRow): boolean =>
  row.leastHeardPercent >= 99.5 && row.delayInMs <= 40 && row.delayOutMs <= 40;

const sharesOf = (lab: Lab) => {
  const pids = {
    gateway: treeOf(lab.process("gateway").pid),
    asterisk: treeOf(lab.process("trunk-peer").pid),
    sfu: treeOf(lab.process("livekit").pid),
  };
  return {
    memoryMb: () => residentMb(pids.gateway),
    now: () => ({
      gateway: cpuSeconds(pids.gateway),
      asterisk: cpuSeconds(pids.asterisk),
      sfu: cpuSeconds(pids.sfu),
    }),
  };
};

/** Milliseconds that all cores together have worked, and existed, so far. */
const machineTimes = (): { busy: number; all: number } =>
  cpus().reduce(
    (sum, { times }) => {
      const all = times.user + times.nice + times.sys + times.irq + times.idle;
      return { busy: sum.busy + all - times.idle, all: sum.all + all };
    },
    { busy: 0, all: 0 },
  );

/** Everything that is counted in a window in which all phones talk. */
const measureWindow = async (lab: Lab, calls: readonly Call[]) => {
  const shares = sharesOf(lab);
  const before = { atMs: nowMs(), machine: machineTimes(), shares: shares.now() };
  const packets = calls.map(({ phone }) => phone.packets());
  await delay(WINDOW_MS);
  const seconds = (nowMs() - before.atMs) / 1000;
  const machine = machineTimes();
  const after = shares.now();
  const perPhone = (part: keyof typeof after): number =>
    ((after[part] - before.shares[part]) / seconds / calls.length) * 100;
  const heard = calls.map(({ phone }, i) => ((phone.packets() - packets[i]!) / (seconds * PACKETS_PER_SECOND)) * 100);
  return {
    gateway: perPhone("gateway"),
    asterisk: perPhone("asterisk"),
    sfu: perPhone("sfu"),
    machineBusyPercent: ((machine.busy - before.machine.busy) / (machine.all - before.machine.all)) * 100,
    leastHeardPercent: Math.min(100, ...heard),
    memoryMb: shares.memoryMb(),
  };
};

/** Several windows as one: medians of what is a share, the worst of what was heard, the memory of the end. */
const measureWindows = async (lab: Lab, calls: readonly Call[], count: number) => {
  await delay(SETTLE_MS);
  const windows: Awaited<ReturnType<typeof measureWindow>>[] = [];
  while (windows.length < count) windows.push(await measureWindow(lab, calls));
  const middle = (part: keyof Shares | "machineBusyPercent"): number => median(windows.map((window) => window[part]));
  return {
    gateway: middle("gateway"),
    asterisk: middle("asterisk"),
    sfu: middle("sfu"),
    windows: windows.map(({ gateway, asterisk, sfu }): Shares => ({ gateway, asterisk, sfu })),
    machineBusyPercent: middle("machineBusyPercent"),
    leastHeardPercent: Math.min(...windows.map((window) => window.leastHeardPercent)),
    memoryMb: windows.at(-1)!.memoryMb,
  };
};

export const measureCapacity = async (options: CapacityOptions): Promise<CapacityRow[]> => {
  const { client, counts, progress, folder, windows = 1, goesOn = false } = options;
  await using scope = new AsyncDisposableStack();
  const most = counts.at(-1)!;
  const conference = await openGatewayConference(scope, {
    engine: "asterisk",
    progress,
    ...(folder === undefined ? {} : { folder }),
    config: {
      // One conference is one worker: phones in different ones would hear each other through the SFU.
      media: { sfu_client: client, max_calls_per_worker: most + 1 },
      limits: { calls: most + 1, calls_per_user: most + 1 },
    },
    // A member that hears everybody decodes everybody: with a hundred phones that is a core by itself.
    talkerHears: false,
    inPlaceOfPbx: "telephones",
  });
  const { lab, talker, bob, alice } = conference;
  const subscriber = scope.use(await conference.join(bob, { hears: [alice.userId, lab.gateway.ghost(FIRST_NUMBER)] }));
  const calls: Call[] = [];
  const rows: CapacityRow[] = [];
  let firstMemoryMb = 0;

  /** One that hears nothing is told and hung up; too many of them are an error. */
  let deaf = 0;
  const addPhone = async (): Promise<void> => {
    const isFirst = calls.length === 0;
    const call = await conference.call({ ringMs: 0, ...(isFirst && { number: FIRST_NUMBER }) });
    try {
      await call.phone.hear(TALKER_HZ, { sinceMs: call.requestedAtMs, withinMs: HEARS_WITHIN_MS });
      calls.push(call);
      call.phone.tone(TELEPHONE_HZ, LEVEL_DBFS);
    } catch (error) {
      deaf += 1;
      progress(`with ${calls.length} phones ${call.phone.number} hears nothing: ${String(error).split("\n")[0]}`);
      if (isFirst || deaf > MAY_BE_DEAF) throw error;
      call.phone.hangUp();
    }
  };
  const grow = async (count: number): Promise<void> => {
    if (calls.length === 0) await addPhone();
    while (calls.length < count) {
      const missing = Math.min(calls.length < TWO_AT_ONCE_UP_TO ? 2 : 1, count - calls.length);
      await Promise.all(Array.from({ length: missing }, () => addPhone()));
    }
  };
  /** Bursts between silence, as the delay of a single phone is measured. */
  const measureDelay = async (): Promise<{ in: number; out: number }> => {
    await talker.publishTone(0);
    for (const { phone } of calls) phone.tone(0);
    await delay(1000);
    const scene = { stage: { talker, workerPids: () => [] }, call: calls[0]!, subscriber, progress };
    const delays = medianAdded(await playRounds(scene, DELAY_ROUNDS));
    await talker.publishTone(TALKER_HZ);
    for (const { phone } of calls) phone.tone(TELEPHONE_HZ, LEVEL_DBFS);
    return delays;
  };

  for (const phones of counts) {
    try {
      await grow(phones);
    } catch (error) {
      // What was measured before is worth its table.
      progress(`${phones} phones could not be reached: ${String(error).split("\n")[0]}`);
      break;
    }
    const { memoryMb, ...measured } = await measureWindows(lab, calls, rows.length === 0 ? 1 : windows);
    if (rows.length === 0) firstMemoryMb = memoryMb;
    const delays = await measureDelay().catch((error: unknown) => {
      progress(`the delay could not be measured: ${String(error).split("\n")[0]}`);
      return { in: Number.NaN, out: Number.NaN };
    });
    const row: CapacityRow = {
      client,
      phones,
      ...measured,
      memoryMbPerPhone: rows.length === 0 ? Number.NaN : (memoryMb - firstMemoryMb) / (phones - counts[0]!),
      delayInMs: delays.in,
      delayOutMs: delays.out,
    };
    rows.push(row);
    progress(
      `${client}: ${JSON.stringify(row, (_, value) => (typeof value === "number" ? Number(value.toFixed(2)) : value))}`,
    );
    if (!isGood(row) && !goesOn) {
      progress(`with ${phones} phones the quality is not held any more: no more are added`);
      break;
    }
  }
  for (const { phone } of calls) phone.hangUp();
  await until(
    "all calls to end",
    async () => !(await lab.gateway.metrics()).match(/^mrtc_sip_gateway_calls_active.* [1-9]/m),
  ).catch((error: unknown) => progress(String(error)));
  return rows;
};
