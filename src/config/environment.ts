/** Configuration keys from the environment: `MRTC_SIP_GATEWAY__SECTION__KEY`, list items by number. */
import { z } from "zod";
import { parse } from "yaml";
import type { Problem } from "./problems.ts";
import { didYouMean } from "./suggest.ts";
import { docsOf } from "./values.ts";
import { bare, isObject, itemOf, type KeyPath, keysOf, type PlainObject } from "./walk.ts";

export const ENV_PREFIX = "MRTC_SIP_GATEWAY__";

export interface EnvValue {
  readonly variable: string;
  readonly path: KeyPath;
  readonly value: unknown;
}

const FILE_SUFFIX = "_file";

/** Strings stay as they are (a token of digits is no number); everything else is written as in YAML. */
const readValue = (schema: z.ZodType, text: string): unknown => {
  const type = bare(schema);
  if (type instanceof z.ZodString || type instanceof z.ZodEnum || type instanceof z.ZodLiteral) return text;
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
};

type Found = { readonly path: KeyPath; readonly schema: z.ZodType } | { readonly error: string };

const find = (root: z.ZodType, parts: readonly string[]): Found => {
  let schema = root;
  const path: (string | number)[] = [];
  for (const part of parts) {
    const item = itemOf(schema);
    if (item !== undefined) {
      if (!/^\d{1,3}$/.test(part)) return { error: `expected a number for the item of the list, got ${part}` };
      path.push(Number(part));
      schema = item;
      continue;
    }
    const keys = keysOf(schema);
    const secret = part.endsWith(FILE_SUFFIX) ? keys.get(part.slice(0, -FILE_SUFFIX.length)) : undefined;
    const isSecretFile = secret !== undefined && docsOf(secret).secret === true;
    const child = keys.get(part) ?? (isSecretFile ? z.string() : undefined);
    if (child === undefined) return { error: `unknown key ${part}${didYouMean(part, [...keys.keys()])}` };
    path.push(part);
    schema = child;
  }
  return { path, schema };
};

/** Empty variables count as not set: container files often pass them on like that. */
export const readEnvironment = (
  root: z.ZodType,
  environment: NodeJS.ProcessEnv,
): { readonly values: readonly EnvValue[]; readonly problems: readonly Problem[] } => {
  const values: EnvValue[] = [];
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(ENV_PREFIX) || text === undefined || text === "") continue;
    const found = find(root, variable.slice(ENV_PREFIX.length).toLowerCase().split("__"));
    if ("error" in found) problems.push({ where: variable, path: [], message: found.error });
    else values.push({ variable, path: found.path, value: readValue(found.schema, text) });
  }
  return { values, problems };
};

/** Writes one value into the tree; a secret and its `_file` push each other out. */
export const setValue = (tree: PlainObject, path: KeyPath, value: unknown): void => {
  let at = tree;
  path.slice(0, -1).forEach((part, index) => {
    const child = at[part];
    const next = isObject(child) || Array.isArray(child) ? child : typeof path[index + 1] === "number" ? [] : {};
    at[part] = next;
    // A list is an object with numbers for keys; that is all that is needed of it here.
    at = next as PlainObject;
  });
  const last = path.at(-1);
  if (last === undefined) return;
  at[last] = value;
  if (typeof last !== "string") return;
  const twin = last.endsWith(FILE_SUFFIX) ? last.slice(0, -FILE_SUFFIX.length) : `${last}${FILE_SUFFIX}`;
  delete at[twin];
};
