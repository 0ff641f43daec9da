import { LineCounter, parseDocument, isMap, isScalar, isSeq, type Node } from "yaml";

/** One entry as the administrator wrote it, and where. */
export interface Written {
  readonly number: string;
  readonly name?: string;
  readonly user?: string;
  /** Numbers that calls go on to. */
  readonly no_answer?: string;
  readonly busy?: string;
  readonly declined?: string;
  /** `line 3, column 5`. */
  readonly where: string;
}

export type Reading = { readonly entries: readonly Written[] } | { readonly problem: string };

const KEYS: readonly string[] = ["number", "name", "user", "no_answer", "busy", "declined"];
const EXPECTED = `${KEYS.slice(0, -1).join(", ")} or ${KEYS.at(-1)}`;

/** Without what is empty. */
const filled = (fields: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined && field[1] !== ""),
  );

/** The fields of one CSV line; undefined when a quote does not end. Between fields a comma or, as spreadsheets in Europe write it, a semicolon. */
const fieldsOf = (line: string): readonly string[] | undefined => {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"\s*|([^",;]*|[^",;][^,;]*))(?:[,;]|$)/y;
  while (field.lastIndex < line.length) {
    const found = field.exec(line);
    if (found === null) return undefined;
    fields.push(found[1]?.replaceAll('""', '"') ?? (found[2] ?? "").trim());
  }
  return fields;
};

const fromFields = (fields: readonly string[], where: string): Written => {
  const [number = "", ...rest] = fields;
  // Without quotes a name may hold a comma; a user id never does.
  const at = rest.findIndex((field) => field.startsWith("@"));
  const [user, noAnswer, busy, declined] = at === -1 ? [] : rest.slice(at);
  const name = (at === -1 ? rest : rest.slice(0, at)).filter((field) => field !== "").join(", ");
  return { ...filled({ name, user, no_answer: noAnswer, busy, declined }), number, where };
};

/** `number,name`, or that with `user,no_answer,busy,declined` behind, in each line, with or without quotes and a first line of headings. */
export const readCsv = (text: string): Reading => {
  const entries: Written[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || /^"?number"?\s*[,;]/i.test(line)) continue;
    const where = `line ${index + 1}, column 1`;
    const fields = fieldsOf(line);
    if (fields === undefined) return { problem: `${where}: a quote does not end` };
    entries.push(fromFields(fields, where));
  }
  return { entries };
};

/** A list of entries with these keys. */
export const readYaml = (text: string): Reading => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const startOf = (node: Node): string => at(node.range?.[0] ?? 0);
  const [error] = document.errors;
  if (error !== undefined) return { problem: `${at(error.pos[0])}: this is not YAML` };
  const { contents } = document;
  if (contents === null) return { entries: [] };
  if (!isSeq<Node>(contents))
    return { problem: `${startOf(contents)}: expected a list of entries with number, name and user` };
  const entries: Written[] = [];
  for (const item of contents.items) {
    if (!isMap(item)) return { problem: `${startOf(item)}: expected an entry with number, name and user` };
    const fields: Record<string, string> = {};
    for (const { key, value } of item.items) {
      const name = isScalar(key) ? String(key.value) : "";
      const where = startOf(key);
      if (!KEYS.includes(name)) return { problem: `${where}: expected ${EXPECTED}, got ${JSON.stringify(name)}` };
      if (!isScalar(value) || value.value === null) return { problem: `${where}: ${name} is empty` };
      // As it is written: a number without quotes may have lost its zeros otherwise.
      fields[name] = (value.source ?? "").trim();
    }
    const { number = "", ...rest } = fields;
    entries.push({ ...filled(rest), number, where: startOf(item) });
  }
  return { entries };
};
