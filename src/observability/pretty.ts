const COLOURS: Readonly<Record<string, number>> = { debug: 90, info: 32, warn: 33, error: 31 };

const shown = (value: unknown): string => {
  if (typeof value === "string") return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  return JSON.stringify(value);
};

/** One JSON log line as a person at a terminal wants it: time of day, level, message, fields. */
export const prettyLine = (line: string): string => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return line;
  }
  const { level, time, msg, ...fields } = parsed as Record<string, unknown>;
  const name = String(level);
  const words = Object.entries(fields).map(([key, value]) => `\u001B[90m${key}=\u001B[0m${shown(value)}`);
  const colour = `\u001B[${COLOURS[name] ?? 0}m`;
  return `${String(time).slice(11, 23)} ${colour}${name.toUpperCase().padEnd(5)}\u001B[0m ${String(msg)} ${words.join(" ")}\n`;
};
