import type { Lab } from "../../../deploy/lab/lab.ts";

const PREFIX = "mrtc_sip_gateway_";

/** Value of one series of the gateway's metrics; 0 when it does not exist yet. Labels in the order in which the gateway writes them. */
export const metric = async (
  lab: Lab,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const series = `${PREFIX}${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} `;
  const line = (await lab.gateway.metrics()).split("\n").find((one) => one.startsWith(series));
  return line === undefined ? 0 : Number(line.slice(series.length));
};

/** Calls that ended so. */
export const endedWith = (lab: Lab, outcome: string): Promise<number> =>
  metric(lab, "calls_ended_total", { direction: "outbound", outcome });
