/** What the demo saw: steps with their times, tones with their levels; as a table for people and as JSON for programs. */

export interface StepResult {
  readonly name: string;
  readonly ms: number;
  readonly ok: boolean;
  readonly detail: string;
}

/** One tone heard by one side. */
export interface ToneResult {
  readonly from: string;
  readonly at: string;
  readonly frequencyHz: number;
  readonly levelDbfs: number;
}

export interface Report {
  /** Runs one step, prints it with its time, and throws what it throws. The string it resolves with is shown beside it. */
  step(name: string, run: () => Promise<string | undefined>): Promise<void>;
  tone(result: ToneResult): void;
  readonly steps: readonly StepResult[];
  readonly tones: readonly ToneResult[];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

export const createReport = (print: (line: string) => void): Report => {
  const steps: StepResult[] = [];
  const tones: ToneResult[] = [];
  return {
    steps,
    tones,
    tone: (result) => tones.push(result),
    step: async (name, run) => {
      const startedMs = performance.now();
      print(`   ... ${name}`);
      try {
        const detail = (await run()) ?? "";
        const ms = performance.now() - startedMs;
        steps.push({ name, ms, ok: true, detail });
        print(` ok  ${name} (${seconds(ms)})${detail === "" ? "" : `: ${detail}`}`);
      } catch (error) {
        const ms = performance.now() - startedMs;
        const detail = error instanceof Error ? error.message : String(error);
        steps.push({ name, ms, ok: false, detail });
        print(`FAIL ${name} (${seconds(ms)}): ${detail}`);
        throw error;
      }
    },
  };
};

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
};

export const stepTable = (report: Report): string =>
  table(
    ["step", "time", "result"],
    report.steps.map(({ name, ms, ok, detail }) => [
      name,
      seconds(ms),
      `${ok ? "ok" : "FAILED"}${detail === "" ? "" : `: ${detail}`}`,
    ]),
  );

export const toneTable = (report: Report): string =>
  table(
    ["tone of", "heard at", "frequency", "level"],
    report.tones.map(({ from, at, frequencyHz, levelDbfs }) => [
      from,
      at,
      `${frequencyHz} Hz`,
      `${levelDbfs.toFixed(0)} dBFS`,
    ]),
  );
