/** Sixty phones that all talk in one encrypted conference: what each costs, and whether everybody is heard (issue 6). */
import { measureCapacity, type Shares } from "../capacity/measure.ts";
import { type Measurement, runs } from "../measurement.ts";

/** The first one carries everything that is there once; memory is counted beyond it. */
const COUNTS = [1, 30, 60] as const;
const WINDOWS = 3;

const together = ({ gateway, asterisk, sfu }: Shares): number => gateway + asterisk + sfu;

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
    const thirty = rows.find(({ phones }) => phones === 30);
    const sixty = rows.find(({ phones }) => phones === 60);
    // Bars without samples are not met; what was measured before is told all the same.
    if (thirty === undefined) return {};
    const ofThirty = {
      "full-gateway": thirty.windows.map(({ gateway }) => gateway),
      "full-all": thirty.windows.map(together),
      "full-memory": [thirty.memoryMbPerPhone],
    };
    if (sixty === undefined) return ofThirty;
    return {
      ...ofThirty,
      "full-growth": sixty.windows.map((window, i) => together(window) / together(thirty.windows[i]!)),
      "full-loss": [100 - sixty.leastHeardPercent],
      "full-delay-in": [sixty.delayInMs],
      "full-delay-out": [sixty.delayOutMs],
    };
  },
};
