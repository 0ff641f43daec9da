/** How long it takes a phone to get in: by a number that leads to the room, or by the menu and its PIN. */
import { TELEPHONE_HZ } from "../call.ts";
import { type DialInStage, MENU_NUMBER, passes, startDialInStage } from "../dial-in-stage.ts";
import type { BarName, Samples } from "../bars.ts";
import { type Measurement, type MeasurementContext, runs } from "../measurement.ts";
import { OLD_KEY_ROOMS } from "./setup.ts";

const RUNS = 40;
/** Of the other engine: for its bars, which are wider, fewer runs say enough. */
const LIVEKIT_SIP_RUNS = 15;
const CALLER = "1500";
const byNumber = async (stage: DialInStage, run: number) => {
  const ghost = stage.lab.gateway.ghost(CALLER);
  const room = stage.rooms[run % stage.rooms.length]!;
  await room.oldKey();
  const telephone = await stage.dial(CALLER, room.number, TELEPHONE_HZ);
  const ringing = (await telephone.ringing) - telephone.dialledAtMs;
  const passed = await passes(room, telephone, { ghost, toneHz: TELEPHONE_HZ, sinceMs: telephone.dialledAtMs });
  await room.end(telephone, ghost);
  return { "dial-in-ring": ringing, "dial-in-in": passed.in, "dial-in-out": passed.out };
};

/** With whatever key the call before has left: waiting for an old one each time would take the bench too long. */
const byPin = async (stage: DialInStage) => {
  const ghost = stage.lab.gateway.ghost(CALLER);
  const telephone = await stage.dial(CALLER, MENU_NUMBER, TELEPHONE_HZ);
  await telephone.answered;
  await telephone.press(`${stage.dialIn.id}#`);
  const sinceMs = await telephone.press(stage.dialIn.pin);
  const passed = await passes(stage, telephone, { ghost, toneHz: TELEPHONE_HZ, sinceMs });
  await stage.end(telephone, ghost);
  return { "pin-in": passed.in, "pin-out": passed.out };
};

type Found = Partial<Record<BarName, number>>;

/** Collects what each run found. */
const createSamples = (bars: readonly BarName[], { progress }: Pick<MeasurementContext, "progress">) => {
  const samples = new Map(bars.map((bar) => [bar, [] as number[]]));
  return {
    take: (found: Found, words: string): void => {
      for (const [bar, value] of Object.entries(found)) samples.get(bar as BarName)?.push(value);
      const told = Object.entries(found).map(([bar, ms]) => `${bar} ${ms.toFixed(0)} ms`);
      progress(`${words}: ${told.join(", ")}`);
    },
    all: (): Samples => Object.fromEntries(samples),
  };
};

const BARS = ["dial-in-ring", "dial-in-in", "dial-in-out", "pin-in", "pin-out"] as const;

export const dialIn: Measurement = {
  bars: BARS,
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startDialInStage(scope, { ...context, rooms: OLD_KEY_ROOMS });
    const samples = createSamples(BARS, context);
    for (let i = 0; i < runs(RUNS, context); i++) samples.take(await byNumber(stage, i), `dial-in ${i + 1}`);
    for (let i = 0; i < runs(RUNS, context); i++) samples.take(await byPin(stage), `PIN ${i + 1}`);
    return samples.all();
  },
};

const LIVEKIT_SIP_BARS = ["livekit-dial-in-ring", "livekit-dial-in-in", "livekit-dial-in-out"] as const;

/** The same by a number over livekit-sip, whatever engine the other figures are of. */
export const dialInOverLivekitSip: Measurement = {
  bars: LIVEKIT_SIP_BARS,
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startDialInStage(scope, { ...context, engine: "livekit-sip", rooms: OLD_KEY_ROOMS });
    const samples = createSamples(LIVEKIT_SIP_BARS, context);
    for (let i = 0; i < runs(LIVEKIT_SIP_RUNS, context); i++) {
      const found = Object.entries(await byNumber(stage, i)).map(([bar, value]) => [`livekit-${bar}`, value] as const);
      samples.take(Object.fromEntries(found), `dial-in over livekit-sip ${i + 1}`);
    }
    return samples.all();
  },
};
