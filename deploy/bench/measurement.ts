import type { BarName, Samples } from "./bars.ts";
import { startDirectStage } from "./direct-stage.ts";
import { startGatewayStage } from "./gateway-stage.ts";
import type { Engine, Stage, StageOptions } from "./stage.ts";

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

export const startStage = (options: StageOptions): Promise<Stage> =>
  options.engine === "livekit-sip-direct" ? startDirectStage(options) : startGatewayStage(options);
