/** YAML keys are snake_case, code is camelCase: the one place where one becomes the other. */

type CamelCase<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

export type CamelKeys<Value> = Value extends readonly (infer Item)[]
  ? readonly CamelKeys<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value as Key extends string ? CamelCase<Key> : Key]: CamelKeys<Value[Key]> }
    : Value;

/** Keys that are data (Matrix user ids) are not ours to rename. */
const IS_OUR_KEY = /^[a-z][a-z0-9_]*$/;

const camelCase = (key: string): string =>
  IS_OUR_KEY.test(key) ? key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : key;

const convert = (value: unknown): unknown => {
  if (Array.isArray(value)) return Object.freeze(value.map(convert));
  if (typeof value !== "object" || value === null) return value;
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, item]) => [camelCase(key), convert(item)])));
};

/** A frozen copy with camelCase keys. */
export const camelKeys = <Value>(value: Value): CamelKeys<Value> => convert(value) as CamelKeys<Value>;
