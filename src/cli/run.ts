import { GatewayError } from "../errors.ts";
import { callAdd, callHangup, callList } from "./call.ts";
import { callExport } from "./call-export.ts";
import { type Command, commandHelp, type ExitCode, type Io, PROGRAM, readInput, UsageError } from "./command.ts";
import { configCheck, configReference, configSample } from "./config.ts";
import { registration } from "./registration.ts";
import { start } from "./start.ts";

const COMMANDS: readonly Command[] = [
  start,
  registration,
  configCheck,
  configSample,
  configReference,
  callAdd,
  callList,
  callHangup,
  callExport,
];

const nameOf = ({ name, args }: Command): string => (args === undefined ? name : `${name} ${args}`);

const help = (): string => {
  const width = Math.max(...COMMANDS.map((command) => nameOf(command).length));
  const lines = COMMANDS.map((command) => `  ${nameOf(command).padEnd(width)}  ${command.summary}`);
  return `Usage: ${PROGRAM} COMMAND [options]\n\nPuts phones into Element Call.\n\n${lines.join("\n")}\n\n${PROGRAM} COMMAND --help tells more.`;
};

interface Found {
  readonly command: Command;
  /** What stands behind the command's name. */
  readonly args: readonly string[];
}

const find = (argv: readonly string[]): Found => {
  for (const command of COMMANDS) {
    const words = command.name.split(" ");
    if (words.every((word, index) => argv[index] === word)) return { command, args: argv.slice(words.length) };
  }
  const group = COMMANDS.filter((command) => command.name.startsWith(`${argv[0]} `)).map((command) => command.name);
  throw new UsageError(group.length > 0 ? `expected one of: ${group.join(", ")}` : `unknown command ${argv[0]}`);
};

/** The whole command line; never rejects. */
export const runCli = async (argv: readonly string[], io: Io): Promise<ExitCode> => {
  const [first] = argv;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    (first === undefined ? io.err : io.out)(help());
    return first === undefined ? 2 : 0;
  }
  try {
    const { command, args } = find(argv);
    if (args.includes("--help") || args.includes("-h")) {
      io.out(commandHelp(command));
      return 0;
    }
    return await command.run(readInput(command, args), io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`${PROGRAM}: ${error.message}\n${PROGRAM} --help tells how to use it.`);
      return 2;
    }
    // Written for people; anything else is a mistake of ours and comes with its stack.
    io.err(error instanceof GatewayError ? error.message : String((error as Error).stack ?? error));
    return 1;
  }
};
