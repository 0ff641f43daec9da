/** Sixty phones that all talk in one encrypted conference: what each costs, and whether everybody is heard (issue 6). */
import { type CapacityRow, measureCapacity, type Shares } from "../capacity/measure.ts";
import { type Measurement, runs } from "../measurement.ts";

/** The first one carries everything that is there once; memory is counted beyond it. */
const COUNTS = [1, 30, 60] as const;
const WINDOWS = 3;

const together = ({ gateway, asterisk, sfu }: Shares): number => gateway + asterisk + sfu;

const rowOf = (rows: readonly CapacityRow[], count: (typeof COUNTS)[number]): CapacityRow => {
  const row = rows.find(({ phones }) => phones === count);
  if (row === undefined) throw new Error(`${count} phones in one conference were not reached`);
  return row;
};

export const fullConference: Measurement = {
  bars: ["full-gateway", "full-all", "full-growth", "full-memory", "full-loss", "full-delay-in", "full-delay-out"],
  run: async (context) => {
    const { progress, folder } = context;
    const rows = await measureCapacity({
      client: "light",
      counts: COUNTS,
      windows: runs(WINDOWS, context),
      goesOn: true,
      progress,
      ...(folder === undefined ? {} : { folder }),
    });
    const thirty = rowOf(rows, 30);
    const sixty = rowOf(rows, 60);
    return {
      "full-gateway": thirty.windows.map(({ gateway }) => gateway),
      "full-all": thirty.windows.map(together),
      "full-growth": sixty.windows.map((window, i) => together(window) / together(thirty.windows[i]!)),
      "full-memory": [thirty.memoryMbPerPhone],
      "full-loss": [100 - sixty.leastHeardPercent],
      "full-delay-in": [sixty.delayInMs],
      "full-delay-out": [sixty.delayOutMs],
    };
  },
};
