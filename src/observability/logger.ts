import { writeSync } from "node:fs";
import { pino } from "pino";
import type { Log, LogFields } from "../log.ts";
import { prettyLine } from "./pretty.ts";
import { createRedactor, type RedactOptions } from "./redact.ts";

export interface LoggerOptions extends RedactOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Takes one line, line end included. Default: standard output, made readable when that is a terminal. */
  readonly write?: (line: string) => void;
}

const standardOutput = (): ((line: string) => void) => {
  // Written at once: the last lines before process.exit are the ones that matter.
  const write = (line: string): void => {
    try {
      writeSync(1, line);
    } catch (error) {
      // The reader of a pipe is slow (EAGAIN) or gone (EPIPE): a log line is no reason to end calls.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" && code !== "EPIPE") throw error;
    }
  };
  return process.stdout.isTTY ? (line) => write(prettyLine(line)) : write;
};

/** JSON lines (pino). Every field and message goes through the redactor. */
export const createLogger = (options: LoggerOptions): Log => {
  const redactor = createRedactor(options);
  const write = options.write ?? standardOutput();
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  const wrap = (logger: pino.Logger): Log => {
    const line =
      (level: LoggerOptions["level"]) =>
      (fields: LogFields, message: string): void => {
        if (logger.isLevelEnabled(level)) logger[level](redactor.value(fields), redactor.text(message));
      };
    return {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: (fields) => wrap(logger.child(redactor.value(fields) as LogFields)),
    };
  };
  return wrap(root);
};
