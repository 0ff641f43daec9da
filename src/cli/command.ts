/** What a command line command is, and how its options are read. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** Where a command writes: results to `out`, everything else to `err`. Lines, without their end. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly environment: NodeJS.ProcessEnv;
}

/** 0: done; 1: it failed; 2: the command line was wrong. */
export type ExitCode = 0 | 1 | 2;

export interface Command {
  /** Words behind the program's name: `call add`. */
  readonly name: string;
  /** Positional arguments, as help shows them: `NUMBER`. */
  readonly args?: string;
  readonly summary: string;
  /** More for `--help`. */
  readonly details?: string;
  readonly options: Readonly<Record<string, OptionConfig>>;
  run(input: Input, io: Io): Promise<ExitCode>;
}

export interface OptionConfig {
  readonly type: "string" | "boolean";
  /** What stands for the value in help: `FILE`. */
  readonly value?: string;
  readonly help: string;
}

export interface Input {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const stringOption = (input: Input, name: string): string | undefined => {
  const value = input.values[name];
  return typeof value === "string" ? value : undefined;
};

/** The positional arguments; says which one is missing or too many. */
export const expectPositionals = <const Names extends readonly string[]>(
  input: Input,
  names: Names,
): { readonly [Index in keyof Names]: string } => {
  const missing = names[input.positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  const extra = input.positionals[names.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  return input.positionals as { readonly [Index in keyof Names]: string };
};

export const CONFIG_OPTION = {
  config: { type: "string", value: "FILE", help: "configuration file (default: config.yaml)" },
} as const satisfies Record<string, OptionConfig>;

export const configFileOf = (input: Input): string => stringOption(input, "config") ?? "config.yaml";

export const readInput = (command: Command, args: readonly string[]): Input => {
  const options: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" } };
  for (const [name, { type }] of Object.entries(command.options)) options[name] = { type };
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: values as Input["values"], positionals };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
};

export const PROGRAM = "mrtc-sip-gateway";

export const commandHelp = (command: Command): string => {
  const rows = [
    ...Object.entries(command.options).map(([name, { value, help }]) => [
      `--${name}${value === undefined ? "" : ` ${value}`}`,
      help,
    ]),
    ["-h, --help", "this text"],
  ];
  const width = Math.max(...rows.map(([name]) => name?.length ?? 0));
  const head = `Usage: ${PROGRAM} ${command.name}${command.args === undefined ? "" : ` ${command.args}`} [options]`;
  const details = command.details === undefined ? "" : `\n${command.details}\n`;
  const lines = rows.map(([name = "", help]) => `  ${name.padEnd(width)}  ${help}`);
  return `${head}\n\n${command.summary}.\n${details}\nOptions:\n${lines.join("\n")}`;
};
