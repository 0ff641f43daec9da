/** `npm run bench -- capacity`: how many phones one machine carries, as a table, JSON and a picture. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeMachine } from "../machine.ts";
import { type CapacityRow, isGood, measureCapacity, type SfuClientName } from "./measure.ts";
import { capacityPicture } from "./picture.ts";

export interface CapacityRun {
  readonly clients: readonly SfuClientName[];
  readonly counts: readonly number[];
  readonly json?: string;
  /** File for the picture. */
  readonly svg?: string;
  readonly folder?: string;
  readonly progress: (line: string) => void;
}

const COLUMNS: readonly (readonly [title: string, cell: (row: CapacityRow) => string])[] = [
  ["client", (row) => row.client],
  ["phones", (row) => String(row.phones)],
  ["gateway %", (row) => row.gateway.toFixed(2)],
  ["Asterisk %", (row) => row.asterisk.toFixed(2)],
  ["SFU %", (row) => row.sfu.toFixed(2)],
  ["together %", (row) => (row.gateway + row.asterisk + row.sfu).toFixed(2)],
  ["MB", (row) => (Number.isFinite(row.memoryMbPerPhone) ? row.memoryMbPerPhone.toFixed(1) : "-")],
  ["delay in / out ms", (row) => `${row.delayInMs.toFixed(0)} / ${row.delayOutMs.toFixed(0)}`],
  ["worst phone heard %", (row) => row.leastHeardPercent.toFixed(1)],
  ["machine busy %", (row) => row.machineBusyPercent.toFixed(0)],
  ["held?", (row) => (isGood(row) ? "yes" : "NO")],
];

/** Markdown. */
export const capacityTable = (rows: readonly CapacityRow[]): string => {
  const cells = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const lines = cells.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
};

export const runCapacity = async (run: CapacityRun): Promise<number> => {
  const machine = describeMachine();
  const rows: CapacityRow[] = [];
  for (const client of run.clients) {
    const folder = run.folder === undefined ? {} : { folder: join(run.folder, client) };
    rows.push(...(await measureCapacity({ client, counts: run.counts, progress: run.progress, ...folder })));
  }
  const words = `${machine.cores} cores (${machine.processor}), ${machine.memoryGib} GiB, Node ${machine.node}; everything on this machine`;
  console.log(`\n${words}\n\n${capacityTable(rows)}`);
  if (run.json !== undefined) {
    await writeFile(run.json, `${JSON.stringify({ at: new Date().toISOString(), machine, rows }, null, 2)}\n`);
  }
  if (run.svg !== undefined) await writeFile(run.svg, capacityPicture(rows, words));
  return 0;
};
