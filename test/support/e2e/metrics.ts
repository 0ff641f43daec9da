import type { Lab } from "../../../deploy/lab/lab.ts";

const PREFIX = "mrtc_sip_gateway_";

/** Sum of the series of one of the gateway's metrics that have these labels; 0 when there is none yet. */
export const metric = async (
  lab: Lab,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const series = (await lab.gateway.metrics())
    .split("\n")
    .filter((line) => /^[^{ ]*/.exec(line)?.[0] === PREFIX + name && pairs.every((pair) => line.includes(pair)));
  return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
};

/** Calls that ended so. */
export const endedWith = (lab: Lab, outcome: string): Promise<number> =>
  metric(lab, "calls_ended_total", { direction: "outbound", outcome });
