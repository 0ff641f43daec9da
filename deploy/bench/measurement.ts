import type { BarName, Samples } from "./bars.ts";
import type { Engine } from "./stage.ts";

export interface MeasurementContext {
  readonly engine: Engine;
  readonly progress: (line: string) => void;
  /** Where the servers' logs and data are kept; undefined: nowhere. */
  readonly folder?: string;
  /** Fewer runs for a quick look; 1 is what the bars ask for. */
  readonly scale: number;
}

/** One measurement file: starts its own stage, gives the samples of its bars. */
export interface Measurement {
  readonly bars: readonly BarName[];
  run(context: MeasurementContext): Promise<Samples>;
}

/** `count` runs, or as many of them as --scale leaves; at least one. */
export const runs = (count: number, { scale }: Pick<MeasurementContext, "scale">): number =>
  Math.max(1, Math.round(count * scale));
