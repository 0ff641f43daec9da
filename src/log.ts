/** What every part of the gateway writes its log lines to; pino behind it (observability/logger.ts). */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `fields` (for example the call id) to every line. */
  child(fields: LogFields): Log;
}

/** Structured fields. Phone numbers only in masked form; never keys, tokens, passwords, PINs or DTMF. */
export type LogFields = Readonly<Record<string, unknown>>;
