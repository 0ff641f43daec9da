/** What is in force, for `config check`: the whole configuration with secrets masked. */
import { stringify } from "yaml";
import { configSchema, type Config } from "./schema.ts";
import { docsOf } from "./values.ts";
import { isObject, visitObjects } from "./walk.ts";

const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The configuration as the file would write it, all defaults filled in. */
const asWritten = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(asWritten);
  if (!isObject(value)) return value;
  if (typeof value["ms"] === "number") return durationText(value["ms"]);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [/^[a-zA-Z]/.test(key) ? snakeCase(key) : key, asWritten(item)]),
  );
};

const durationText = (ms: number): string => {
  for (const [unit, unitMs] of [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const)
    if (ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  return `${ms}ms`;
};

/** YAML of the configuration; every secret is `(set)`. */
export const configSummary = (config: Config): string => {
  const values = asWritten(config);
  visitObjects(configSchema, values, (object, keys) => {
    for (const [name, schema] of keys)
      if (docsOf(schema).secret === true && object[name] !== undefined) object[name] = "(set)";
  });
  return stringify(values, { lineWidth: 0 });
};

/** Every secret there is, so that the logger can strike it out wherever it turns up. */
export const secretsOf = (config: Config): readonly string[] => {
  const secrets: string[] = [];
  visitObjects(configSchema, asWritten(config), (object, keys) => {
    for (const [name, schema] of keys) {
      const value = object[name];
      if (docsOf(schema).secret === true && typeof value === "string") secrets.push(value);
    }
  });
  return secrets;
};
