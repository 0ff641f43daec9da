import { BARS, barInWords, type BarName, type Verdict } from "./bars.ts";

const DIGITS = { ms: 0, "% of a core": 2, x: 2, MB: 1, "%": 1, left: 0 } as const;

const cell = (value: number, name: BarName): string =>
  Number.isFinite(value) ? value.toFixed(DIGITS[BARS[name].unit]) : "-";

const formatTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
};

/** The table of one engine. `judged` false leaves the last two columns out: the bars are for the asterisk engine. */
export const verdictTable = (verdicts: readonly Verdict[], judged: boolean): string =>
  formatTable(
    ["figure", "unit", "median", "p95", "n", ...(judged ? ["bar", "met?"] : [])],
    verdicts.map(({ name, samples, median, p95, met }) => [
      BARS[name].figure,
      BARS[name].unit,
      cell(median, name),
      cell(p95, name),
      String(samples.length),
      ...(judged ? [barInWords(name), met ? "yes" : "NO"] : []),
    ]),
  );
