/** Finding one's way in a zod schema: which keys an object has, what type a key is of. */
import { z } from "zod";

/** The type below `default`, `optional` and `transform`. */
export const bare = (schema: z.ZodType): z.ZodType => {
  if (schema instanceof z.ZodPipe) return bare(schema.in as z.ZodType);
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional
  )
    return bare(schema.unwrap() as z.ZodType);
  return schema;
};

export type Keys = ReadonlyMap<string, z.ZodType>;

/** Keys of an object; of a union of objects those of all of them, or of the ones that fit `value`'s discriminator. */
export const keysOf = (schema: z.ZodType, value?: unknown): Keys => {
  const type = bare(schema);
  if (type instanceof z.ZodObject) return new Map(Object.entries(type.shape) as [string, z.ZodType][]);
  if (!(type instanceof z.ZodUnion)) return new Map();
  const options = (type.options as z.ZodType[]).filter((option) => {
    if (!(type instanceof z.ZodDiscriminatedUnion)) return true;
    const name = type.def.discriminator;
    const wanted = isObject(value) ? value[name] : undefined;
    const literal = bare(keysOf(option).get(name) ?? z.never());
    return wanted === undefined || (literal instanceof z.ZodLiteral && literal.value === wanted);
  });
  return new Map(options.flatMap((option) => [...keysOf(option)]));
};

/** Type of the items of a list. */
export const itemOf = (schema: z.ZodType): z.ZodType | undefined => {
  const type = bare(schema);
  return type instanceof z.ZodArray ? (type.element as z.ZodType) : undefined;
};

export type PlainObject = Record<string, unknown>;

export const isObject = (value: unknown): value is PlainObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export type KeyPath = readonly (string | number)[];

/** `trunks[0].asterisk.endpoint`, as messages name it. */
export const pathText = (path: KeyPath): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return /^[A-Za-z_][\w-]*$/.test(part)
      ? `${text}${text === "" ? "" : "."}${part}`
      : `${text}[${JSON.stringify(part)}]`;
  }, "");

/** Calls `visit` for every object of `value` that the schema knows, outermost first. */
export const visitObjects = (
  schema: z.ZodType,
  value: unknown,
  visit: (object: PlainObject, keys: Keys, path: KeyPath) => void,
  path: KeyPath = [],
): void => {
  const item = itemOf(schema);
  if (item !== undefined && Array.isArray(value)) {
    value.forEach((entry, index) => visitObjects(item, entry, visit, [...path, index]));
    return;
  }
  if (!isObject(value)) return;
  const keys = keysOf(schema, value);
  if (keys.size === 0) return;
  visit(value, keys, path);
  for (const [name, child] of keys) visitObjects(child, value[name], visit, [...path, name]);
};
