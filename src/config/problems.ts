/** What is wrong with a configuration, said for the person who has to mend it: where, which key, what was expected. */
import type { z } from "zod";
import { didYouMean } from "./suggest.ts";
import { docsOf } from "./values.ts";
import { isObject, itemOf, type KeyPath, keysOf, pathText } from "./walk.ts";

export interface Problem {
  readonly path: KeyPath;
  readonly message: string;
  /** Where it stands, when the path does not tell (an environment variable that fits no key). */
  readonly where?: string;
}

/** The schema at a path, or undefined where it leads nowhere (keys of a record, unknown keys). */
const schemaAt = (root: z.ZodType, path: KeyPath): z.ZodType | undefined => {
  let schema: z.ZodType | undefined = root;
  for (const part of path) {
    if (schema === undefined) return undefined;
    schema = typeof part === "number" ? itemOf(schema) : keysOf(schema).get(part);
  }
  return schema;
};

const shown = (value: unknown): string => {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a group of keys";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

const got = (schema: z.ZodType | undefined, value: unknown): string =>
  schema !== undefined && docsOf(schema).secret === true
    ? "got something else (not shown: secret)"
    : `got ${shown(value)}`;

const TYPES: Readonly<Record<string, string>> = {
  object: "a group of keys",
  array: "a list",
  record: "a group of keys",
};

const expectation = (issue: z.core.$ZodIssue): string => {
  if (issue.code === "invalid_type" && issue.expected in TYPES) return `expected ${TYPES[issue.expected]}`;
  if (issue.code === "invalid_union" && "options" in issue)
    return `expected one of ${(issue.options as string[]).join(", ")}`;
  // A record's key: what was expected of it stands one level down.
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  return issue.message;
};

const missing = (schema: z.ZodType | undefined, path: KeyPath, expected: string): string => {
  const isSecret = schema !== undefined && docsOf(schema).secret === true;
  const name = path.at(-1);
  return `missing: ${expected}${isSecret ? ` (or ${name}_file, or the environment)` : ""}`;
};

/** zod's issues as problems; `value` is what was parsed. */
export const problemsOf = (root: z.ZodType, issues: readonly z.core.$ZodIssue[], value: unknown): Problem[] =>
  issues.flatMap((issue): Problem[] => {
    const path = issue.path as KeyPath;
    const schema = schemaAt(root, path);
    if (issue.code === "unrecognized_keys") {
      const parent = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], value);
      const known = schema === undefined ? [] : [...keysOf(schema, parent).keys()];
      return issue.keys.map((name) => ({
        path: [...path, name],
        message: `unknown key${didYouMean(name, known)}`,
      }));
    }
    if (issue.code === "invalid_key")
      return [{ path, message: `${expectation(issue)}, got ${shown(path.at(-1))} as the key` }];
    const input = path.reduce<unknown>(
      (at, part) => (isObject(at) || Array.isArray(at) ? (at as Record<string, unknown>)[part] : undefined),
      value,
    );
    if (input === undefined) return [{ path, message: missing(schema, path, expectation(issue)) }];
    const isWhole = issue.code === "custom" && isObject(input);
    return [{ path, message: isWhole ? issue.message : `${expectation(issue)}, ${got(schema, input)}` }];
  });

/** All problems in one message, one line each. */
export const problemText = (problems: readonly Problem[], where: (path: KeyPath) => string): string => {
  const lines = problems.map(({ path, message, where: known }) => {
    const name = pathText(path);
    return `  ${known ?? where(path)}: ${name === "" ? "" : `${name}: `}${message}`;
  });
  const count = problems.length === 1 ? "one error" : `${problems.length} errors`;
  return [`The configuration has ${count}:`, ...new Set(lines)].join("\n");
};
