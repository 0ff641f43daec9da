/** `npm run bench`: every bar of the issues, measured now on this machine. Exit codes: 0, 1 a bar is not met (--check), 2 wrong usage. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { inspect, parseArgs } from "node:util";
import { SFU_CLIENTS } from "./capacity/measure.ts";
import { runCapacity } from "./capacity/run.ts";
import { BAR_NAMES, BARS, type BarName, barInWords, judge, type Verdict } from "./bars.ts";
import { findLivekitSip } from "../lab/servers/livekit-sip.ts";
import { describeMachine, isBusy, loadNow } from "./machine.ts";
import type { Measurement } from "./measurement.ts";
import { cost } from "./measurements/cost.ts";
import { crowd } from "./measurements/crowd.ts";
import { fullConference } from "./measurements/full-conference.ts";
import { delays } from "./measurements/delay.ts";
import { dialIn, dialInOverLivekitSip } from "./measurements/dial-in.ts";
import { keypad } from "./measurements/keypad.ts";
import { leaks } from "./measurements/leaks.ts";
import { person } from "./measurements/person.ts";
import { answer, fresh } from "./measurements/setup.ts";
import { soak } from "./measurements/soak.ts";
import { runSpeech } from "./speech/run.ts";
import { type Engine, ENGINES } from "./stage.ts";
import { verdictTable } from "./table.ts";

const MEASUREMENTS = {
  answer,
  fresh,
  "dial-in": dialIn,
  "livekit-dial-in": dialInOverLivekitSip,
  crowd,
  keypad,
  person,
  delay: delays,
  cost,
  full: fullConference,
  leaks,
} as const satisfies Record<string, Measurement>;
type MeasurementName = keyof typeof MEASUREMENTS;
const NAMES = Object.keys(MEASUREMENTS) as MeasurementName[];
/** Without a gateway there is nothing that it could leave behind, and no number to dial; the full conference is of Asterisk's phones. */
const NOT_FOR = {
  asterisk: [],
  "livekit-sip": ["full", "livekit-dial-in"],
  "livekit-sip-direct": ["leaks", "dial-in", "livekit-dial-in", "crowd", "keypad", "person", "full"],
} as const satisfies Record<Engine, readonly MeasurementName[]>;
const measurementsOf = (engine: Engine): readonly MeasurementName[] =>
  names.filter((name) => !(NOT_FOR[engine] as readonly MeasurementName[]).includes(name));

const HELP = `npm run bench                      measures all figures and prints them with their bars
npm run bench -- --check           the bars only (engine asterisk, about 30 minutes); exits 1 and names each that is not met
npm run bench -- --only NAME,...   only these measurements: ${NAMES.join(", ")}
npm run bench -- --engine NAME     only one of ${ENGINES.join(", ")}; the latter two are for comparison, without
                                   --check they run as well when the real livekit-sip is found
npm run bench -- --json FILE       writes figures and raw samples
npm run bench -- --scale 0.1       a tenth of the runs, for a quick look
npm run bench -- --folder FOLDER   keeps data and logs of the servers in a new folder
npm run bench -- soak --minutes N  twenty phones that come and go for N minutes (60)
npm run bench -- capacity          CPU per phone with --phones 1,10,30,60,100 of them in one encrypted conference, for
                                   --clients light,native; --json FILE, --svg FILE
npm run bench -- speech            how speech sounds after the way through the SFU, with loss and jitter on it (PESQ)`;

const fail = (message: string): never => {
  console.error(`${message}\n${HELP}`);
  process.exit(2);
};

const readArguments = () => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        check: { type: "boolean", default: false },
        only: { type: "string" },
        engine: { type: "string" },
        json: { type: "string" },
        folder: { type: "string" },
        scale: { type: "string", default: "1" },
        minutes: { type: "string", default: "60" },
        phones: { type: "string", default: "1,10,30,60,100" },
        clients: { type: "string", default: "light,native" },
        svg: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    return { ...values, positionals };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
};

const options = readArguments();
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const [command] = options.positionals;
const COMMANDS = new Set([undefined, "soak", "capacity", "speech"]);
if (options.positionals.length > 1 || !COMMANDS.has(command)) fail(`There is no "${command}".`);
const positive = (name: string, text: string): number => {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : fail(`--${name} ${text} is not a number above 0.`);
};
const scale = positive("scale", options.scale);
const minutes = positive("minutes", options.minutes);
// The gateway of a lab must not find another one's registration and store.
if (options.folder !== undefined && existsSync(options.folder)) fail(`${options.folder} is there already.`);
const names = (options.only?.split(",") ?? NAMES).map(
  (name) => NAMES.find((known) => known === name) ?? fail(`There is no measurement ${name}.`),
);

const realLivekitSip = findLivekitSip();
const enginesToRun = (): readonly Engine[] => {
  const wanted = ENGINES.find((engine) => engine === options.engine);
  if (options.engine !== undefined && wanted === undefined) fail(`There is no engine ${options.engine}.`);
  if (wanted !== undefined) return [wanted];
  return realLivekitSip === undefined || options.check ? ["asterisk"] : ENGINES;
};
const engines = enginesToRun();

const startedAtMs = performance.now();
const progress = (line: string): void => {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0).padStart(5);
  console.log(`${seconds} s  ${line}`);
};

const isJudged = (engine: Engine): boolean => engine === "asterisk";

interface EngineReport {
  readonly engine: Engine;
  readonly verdicts: readonly Verdict[];
  /** Measurements that broke, with the reason. */
  readonly failures: readonly string[];
}

/** A measurement that breaks costs its own bars, and the others go on. */
const measure = async (engine: Engine): Promise<EngineReport> => {
  const samples = new Map<BarName, number[]>();
  const failures: string[] = [];
  for (const name of measurementsOf(engine)) {
    progress(`${engine}, ${name}: load ${loadNow()}`);
    const folder = options.folder === undefined ? {} : { folder: resolve(options.folder, engine, name) };
    try {
      const found = await MEASUREMENTS[name].run({ engine, scale, progress, ...folder });
      for (const bar of MEASUREMENTS[name].bars) samples.set(bar, [...(samples.get(bar) ?? []), ...(found[bar] ?? [])]);
    } catch (error) {
      const reason = inspect(error);
      failures.push(`${name}: ${reason}`);
      progress(`${name} FAILED: ${reason}`);
    }
  }
  // A figure that does not exist for an engine is left out; for the asterisk engine it is a bar that is not met.
  const asked = new Set<BarName>(names.flatMap((name) => MEASUREMENTS[name].bars));
  const shown = BAR_NAMES.filter((bar) => asked.has(bar) && (isJudged(engine) || (samples.get(bar)?.length ?? 0) > 0));
  const verdicts = shown.map((bar) => judge(bar, samples.get(bar) ?? []));
  return { engine, verdicts, failures };
};

const TITLES = {
  asterisk: "engine asterisk, encrypted room",
  "livekit-sip": "for comparison: engine livekit-sip, encrypted room",
  "livekit-sip-direct": "for comparison: livekit-sip by itself, directly in an unencrypted conference",
} as const satisfies Record<Engine, string>;

const titleOf = (engine: Engine): string =>
  isJudged(engine) || realLivekitSip !== undefined
    ? TITLES[engine]
    : `${TITLES[engine]}: STAND-IN, these figures say nothing about the real one`;

const run = async (): Promise<number> => {
  const machine = describeMachine();
  if (isBusy())
    progress(`THIS MACHINE IS BUSY (load ${loadNow()} on ${machine.cores} cores): the figures will say little`);
  const reports: EngineReport[] = [];
  for (const engine of engines) reports.push(await measure(engine));

  console.log(
    `\n${machine.cores} cores (${machine.processor}), ${machine.memoryGib} GiB, Node ${machine.node}; load now ${loadNow()}`,
  );
  for (const { engine, verdicts } of reports) {
    console.log(`\n${titleOf(engine)}\n${verdictTable(verdicts, isJudged(engine))}`);
  }
  if (realLivekitSip === undefined) {
    console.log(
      "\nNO livekit-sip HERE (LIVEKIT_SIP_BIN is not set, none on PATH): it was NOT measured, nor beside the gateway.",
    );
  }
  if (options.json !== undefined) {
    const results = reports.map(({ engine, verdicts, failures }) => ({
      engine,
      failures,
      figures: verdicts.map((verdict) => ({ ...BARS[verdict.name], ...verdict })),
    }));
    await writeFile(
      options.json,
      `${JSON.stringify({ at: new Date().toISOString(), machine, scale, engines: results }, null, 2)}\n`,
    );
  }
  const missed = reports.flatMap(({ engine, verdicts }) =>
    isJudged(engine) ? verdicts.filter(({ met }) => !met) : [],
  );
  for (const { name } of missed) console.log(`NOT MET: ${BARS[name].figure} (${barInWords(name)})`);
  if (reports.some(({ failures }) => failures.length > 0)) return 1;
  return options.check && missed.length > 0 ? 1 : 0;
};

const capacity = (): Promise<number> =>
  runCapacity({
    clients: options.clients
      .split(",")
      .map((name) => SFU_CLIENTS.find((known) => known === name) ?? fail(`There is no SFU client ${name}.`)),
    counts: options.phones.split(",").map((count) => positive("phones", count)),
    progress,
    ...(options.json === undefined ? {} : { json: options.json }),
    ...(options.svg === undefined ? {} : { svg: options.svg }),
    ...(options.folder === undefined ? {} : { folder: resolve(options.folder) }),
  });

// Servers of the lab die with this process; members leave by themselves.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(code));
const RUN = { soak: () => soak(minutes, progress), capacity, speech: () => runSpeech(progress), all: run };
process.exit(await RUN[command === "soak" || command === "capacity" || command === "speech" ? command : "all"]());
