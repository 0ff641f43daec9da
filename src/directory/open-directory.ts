import { readFile, stat } from "node:fs/promises";
import { GatewayError, toGatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { createDirectory, type Directory } from "./directory.ts";

export interface OpenDirectory extends Directory {
  /** The file is not read again after this. */
  close(): void;
}

export interface DirectoryFile {
  /** Without a file nobody has a name. */
  readonly file: string | undefined;
  readonly plan: NumberPlan;
  readonly log: Log;
  /** After every reading, the first one too. */
  readonly onRead?: (directory: Directory) => void;
  /** How often the file is looked at. */
  readonly pollMs?: number;
}

/** Polled, not watched: editors replace files, and folders of containers and shares tell of nothing. */
const POLL_MS = 2000;

const NOBODY: Directory = {
  nameOf: () => undefined,
  personOf: () => undefined,
  numbersOf: () => [],
  owners: () => [],
  forwardOf: () => undefined,
};

/**
 * The directory in its file, read again whenever that changes; while the file has an error, which is logged, the state before stays in force.
 * Rejects with CONFIG_INVALID when it cannot be used from the start.
 */
export const openDirectory = async ({
  file,
  plan,
  log,
  onRead,
  pollMs = POLL_MS,
}: DirectoryFile): Promise<OpenDirectory> => {
  if (file === undefined) return { ...NOBODY, close: () => undefined };

  const read = async (): Promise<Directory> => {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (cause) {
      throw new GatewayError("CONFIG_INVALID", `directory.file: ${file} cannot be read`, { cause });
    }
    const directory = createDirectory(text, file, plan);
    onRead?.(directory);
    return directory;
  };

  /** What changes with every change of the file; empty while it cannot be looked at. */
  const signature = async (): Promise<string> => {
    const seen = await stat(file).catch(() => undefined);
    return seen === undefined ? "" : `${seen.ino} ${seen.size} ${seen.mtimeMs}`;
  };

  let seen = await signature();
  let current = await read();
  const readAgain = async (): Promise<void> => {
    try {
      current = await read();
      log.info({}, "the directory was read again");
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.error({ code }, `the directory stays as it was: ${message}`);
    }
  };
  const look = async (): Promise<void> => {
    const now = await signature();
    if (now === seen) return;
    seen = now;
    await readAgain();
  };
  const timer = setInterval(() => void look(), pollMs).unref();
  return {
    nameOf: (number) => current.nameOf(number),
    personOf: (number) => current.personOf(number),
    forwardOf: (number) => current.forwardOf(number),
    numbersOf: (user) => current.numbersOf(user),
    owners: () => current.owners(),
    close: () => clearInterval(timer),
  };
};
