import type { Log, LogFields } from "../../src/log.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: LogFields;
  readonly message: string;
}

/** A log whose lines a test can read. */
export const createTestLog = (): { readonly log: Log; readonly lines: readonly LogLine[] } => {
  const lines: LogLine[] = [];
  const logWith = (base: LogFields): Log => {
    const write = (level: LogLine["level"]) => (fields: LogFields, message: string) => {
      lines.push({ level, fields: { ...base, ...fields }, message });
    };
    return {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: (fields) => logWith({ ...base, ...fields }),
    };
  };
  return { log: logWith({}), lines };
};
