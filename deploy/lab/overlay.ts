import { readFileSync } from "node:fs";

import { parseAllDocuments, stringify } from "yaml";

// The lab runs the configuration files that the project ships. What must differ on one machine (addresses, ports,
// limits) stands in one overlay file per server, every line explained there, with places for values: ${lab.name}.

type Tree = Record<string, unknown>;

/** Replaces every `${lab.name}` of `text`; other `${...}` (Asterisk's variables) stay. A name without value throws. */
export function fillPlaces(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\$\{lab\.(\w+)\}/g, (place, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`overlay: no value for ${place}`);
    return String(value);
  });
}

/** All YAML documents of a file with its places filled. */
export function readYaml(file: string, values: Readonly<Record<string, string | number>> = {}): Tree[] {
  return parseAllDocuments(fillPlaces(readFileSync(file, "utf8"), values)).map((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${file}: ${error.message}`);
    return document.toJS() as Tree;
  });
}

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

/** Later trees win; mappings merge key by key, lists and scalars are replaced, null removes a key. */
export function mergeTrees(...trees: Tree[]): Tree {
  const result: Tree = {};
  for (const tree of trees) {
    for (const [key, value] of Object.entries(tree)) {
      const before = result[key];
      if (value === null) delete result[key];
      else result[key] = isTree(before) && isTree(value) ? mergeTrees(before, value) : value;
    }
  }
  return result;
}

export const toYaml = (tree: Tree): string => stringify(tree);
