/** `config.sample.yaml` and `docs/configuration.md`, both made from the schema: they cannot say anything else than the code. */
import { stringify } from "yaml";
import { z } from "zod";
import { ENV_PREFIX } from "./environment.ts";
import { configSchema } from "./schema.ts";
import { docsOf } from "./values.ts";
import { bare, itemOf, keysOf } from "./walk.ts";

const COMMENT_WIDTH = 110;

/** The default as the file would write it, or undefined. */
const defaultOf = (schema: z.ZodType): unknown => {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return schema.def.defaultValue;
  if (schema instanceof z.ZodPipe) return defaultOf(schema.in as z.ZodType);
  return undefined;
};

const isOptional = (schema: z.ZodType): boolean =>
  schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional;

const isGroup = (schema: z.ZodType): boolean => bare(schema) instanceof z.ZodObject;

/** Objects a list may hold: one, or one per option of a union. Undefined for a list of plain values. */
const groupsOf = (schema: z.ZodType): readonly z.ZodType[] | undefined => {
  const item = itemOf(schema);
  if (item === undefined) return undefined;
  const type = bare(item);
  if (type instanceof z.ZodDiscriminatedUnion) return type.options as readonly z.ZodType[];
  return type instanceof z.ZodObject ? [type] : undefined;
};

const inline = (value: unknown): string => {
  const text = stringify(value, { collectionStyle: "flow", flowCollectionPadding: false, lineWidth: 0 });
  return text.trim();
};

const allowed = (schema: z.ZodType): string | undefined => {
  const { values } = docsOf(schema);
  if (values !== undefined) return values;
  const type = bare(itemOf(schema) ?? schema);
  return type instanceof z.ZodEnum ? type.options.join(", ") : undefined;
};

const describe = (schema: z.ZodType): string => {
  const values = allowed(schema);
  return `${docsOf(schema).description ?? ""}${values === undefined ? "" : ` (${values})`}`;
};

// ------------------------------------------------------------------------------------------------------------- sample

const wrap = (text: string, width: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
};

const comment = (text: string, indent: string): string[] =>
  wrap(text, COMMENT_WIDTH - indent.length).map((line) => `${indent}# ${line}`);

/** A key that is not needed is a comment without the space that prose has behind its `#`. */
const line = (indent: string, live: boolean, text: string): string => `${indent}${live ? "" : "#"}${text}`;

const isLive = (schema: z.ZodType, parentLive: boolean): boolean => {
  const { sample } = docsOf(schema);
  if (!parentLive || sample === "comment") return false;
  return sample === "live" || (!isOptional(schema) && defaultOf(schema) === undefined);
};

const sampleItem = (group: z.ZodType, indent: string): string[] => {
  const lines = sampleKeys(group, `${indent}  `, false);
  const first = lines.findIndex((text) => !text.trimStart().startsWith("# "));
  return lines.map((text, index) => {
    if (index > first) return text;
    return index < first ? text.slice(2) : text.replace(`${indent}  #`, `${indent}#- `);
  });
};

const sampleKey = (name: string, schema: z.ZodType, indent: string, parentLive: boolean): string[] => {
  const live = isLive(schema, parentLive);
  const head = comment(describe(schema), indent);
  const groups = groupsOf(schema);
  if (groups !== undefined && docsOf(schema).example === undefined) {
    // The whole list is a comment: an entry that nobody chose must not open or dial anything.
    return [...head, line(indent, false, `${name}:`), ...groups.flatMap((group) => sampleItem(group, `${indent}  `))];
  }
  if (isGroup(schema)) {
    const isSection = parentLive && (live || !isOptional(schema));
    return [...head, line(indent, isSection, `${name}:`), ...sampleKeys(schema, `${indent}  `, isSection)];
  }
  const value = docsOf(schema).example ?? defaultOf(schema);
  return [...head, line(indent, live, `${name}: ${inline(value)}`)];
};

const sampleKeys = (schema: z.ZodType, indent: string, live: boolean): string[] =>
  [...keysOf(schema)].flatMap(([name, child]) => sampleKey(name, child, indent, live));

const SAMPLE_HEAD = `# matrixrtc-sip-gateway: every key there is. Made by \`mrtc-sip-gateway config sample\`.
# A key behind "#" without a space is not needed; it shows its default, or an example where there is none.
# Relative file names start from the folder of this file. Times have a unit: 500ms, 60s, 10m, 4h.
# Every secret may stand in a file of its own: as_token_file: /run/secrets/as_token instead of as_token.
# Every key may come from the environment: ${ENV_PREFIX}LIMITS__CALLS=20, ${ENV_PREFIX}ASTERISK__PASSWORD_FILE=...
`;

/** The list of trunks is the one place where the sample shows another way to write it. */
const TRUNK_FILE_SAMPLE = `trunks:
  # Trunks of a file; \`use\` names the wanted ones (all without it).
  - file: sip-trunks/xivo.yaml
    use: [xivo]`;

export const sampleConfig = (): string => {
  const sections = [...keysOf(configSchema)].map(([name, schema]) => {
    const text = sampleKey(name, schema, "", true).join("\n");
    return name === "trunks" ? text.replace(/^#trunks:$/m, TRUNK_FILE_SAMPLE) : text;
  });
  return `${SAMPLE_HEAD}\n${sections.join("\n\n")}\n`;
};

// ---------------------------------------------------------------------------------------------------------- reference

type Row = readonly [name: string, standard: string, words: string];

/** One row per name: options of a union share most of their keys. */
const oncePerName = (rows: readonly Row[]): Row[] =>
  rows.filter((row, index) => rows.findIndex((other) => other[0] === row[0]) === index);

const rowsOf = (schema: z.ZodType, prefix: string): Row[] =>
  [...keysOf(schema)].flatMap(([name, child]): Row[] => {
    if (isGroup(child)) return rowsOf(child, `${prefix}${name}.`);
    const groups = groupsOf(child) ?? [];
    const below = oncePerName(groups.flatMap((group) => rowsOf(group, `${prefix}${name}[].`)));
    return [rowOf(`${prefix}${name}`, child), ...below];
  });

const rowOf = (name: string, schema: z.ZodType): Row => {
  const value = defaultOf(schema);
  const { example, secret } = docsOf(schema);
  const standard = value !== undefined ? `\`${inline(value)}\`` : isOptional(schema) ? "" : "**needed**";
  const shown = example === undefined || secret === true ? "" : ` Example: \`${inline(example)}\`.`;
  const file = secret === true ? ` Or \`${name.split(".").at(-1)}_file\`.` : "";
  return [`\`${name}\``, standard, (describe(schema) + shown + file).replaceAll("|", "\\|")];
};

/** A Markdown table, padded as the formatter wants it. */
const table = (rows: readonly Row[]): string => {
  const all: readonly Row[] = [["key", "default", "what it is"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return lines.toSpliced(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`).join("\n");
};

const REFERENCE_HEAD = `# Configuration

<!-- Made by \`mrtc-sip-gateway config reference\` from src/config; a test compares. -->

One YAML file (\`--config\`, default \`config.yaml\`); [\`config.sample.yaml\`](../config.sample.yaml) holds every key with its
default. \`mrtc-sip-gateway config check\` says what is wrong with it, everything at once, with file, line and key, and prints what is in
force with secrets masked. An unknown key is an error.

- **Times** have a unit: \`500ms\`, \`60s\`, \`10m\`, \`4h\`.
- **File names** are relative to the folder of the file that names them.
- **Secrets** may stand in files: \`password_file: /run/secrets/ari\` instead of \`password\`.
- **Environment**: \`${ENV_PREFIX}SECTION__KEY\` wins over the file; two underscores go one level down, list items are numbers
  (\`${ENV_PREFIX}API__TOKENS__0__TOKEN_FILE\`), lists and groups are written as in YAML (\`[FR, DE]\`). Empty variables count as not set.
- **Phone numbers** stand in quotes: without them YAML reads \`+33140506070\` as an amount.
- **Trunks** may stand in files: \`- file: sip-trunks/xivo.yaml\`, with \`use: [NAME, ...]\` for some of them only. Such a file has one
  key, \`trunks\`, and below it the same list as here.
`;

export const configReference = (): string => {
  const sections = [...keysOf(configSchema)].map(([name, schema]) => {
    const groups = groupsOf(schema)?.flatMap((group) => rowsOf(group, "[]."));
    const rows = groups === undefined ? rowsOf(schema, "") : oncePerName(groups);
    return `## ${name}\n\n${docsOf(schema).description}\n\n${table(rows)}\n`;
  });
  return `${REFERENCE_HEAD}\n${sections.join("\n")}`;
};
