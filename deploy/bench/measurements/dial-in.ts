/** How long it takes a phone to get in: by a number that leads to the room, or by the menu and its PIN. */
import { TELEPHONE_HZ } from "../call.ts";
import { type DialInStage, MENU_NUMBER, passes, ROOM_NUMBER, startDialInStage } from "../dial-in-stage.ts";
import { type Measurement, runs } from "../measurement.ts";

const RUNS = 40;
const CALLER = "1500";
const byNumber = async (stage: DialInStage) => {
  const ghost = stage.lab.gateway.ghost(CALLER);
  await stage.oldKey();
  const telephone = await stage.dial(CALLER, ROOM_NUMBER, TELEPHONE_HZ);
  const ringing = (await telephone.ringing) - telephone.dialledAtMs;
  const passed = await passes(stage, telephone, { ghost, toneHz: TELEPHONE_HZ, sinceMs: telephone.dialledAtMs });
  await stage.end(telephone, ghost);
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

const BARS = ["dial-in-ring", "dial-in-in", "dial-in-out", "pin-in", "pin-out"] as const;

export const dialIn: Measurement = {
  bars: BARS,
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startDialInStage(scope, context);
    const samples: Record<(typeof BARS)[number], number[]> = {
      "dial-in-ring": [],
      "dial-in-in": [],
      "dial-in-out": [],
      "pin-in": [],
      "pin-out": [],
    };
    const take = (found: Partial<Record<(typeof BARS)[number], number>>, words: string): void => {
      for (const bar of BARS) {
        const value = found[bar];
        if (value !== undefined) samples[bar].push(value);
      }
      const told = Object.entries(found).map(([bar, ms]) => `${bar} ${ms.toFixed(0)} ms`);
      context.progress(`${words}: ${told.join(", ")}`);
    };
    for (let i = 0; i < runs(RUNS, context); i++) take(await byNumber(stage), `dial-in ${i + 1}`);
    for (let i = 0; i < runs(RUNS, context); i++) take(await byPin(stage), `PIN ${i + 1}`);
    return samples;
  },
};
