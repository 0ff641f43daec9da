/** The kinds of value a configuration key can have, each with words for what was expected. */
import { z } from "zod";

/** What the reference and the loader know of a key besides its type. */
export interface KeyDocs {
  /** Shown in the sample where there is no default. */
  readonly example?: unknown;
  /** Never shown; may also be read from a file (`KEY_file`). */
  readonly secret?: true;
  /** A file or folder: relative to the folder of the file that names it. */
  readonly path?: true;
  /** In the sample: a live line although it is optional, or a comment although it is needed (one of two ways). */
  readonly sample?: "live" | "comment";
  /** What is allowed, in words, where the type does not say it. */
  readonly values?: string;
}

/** Adds the description to a key; last, as wrappers (`default`, `optional`) do not inherit it. */
export const key = <Schema extends z.ZodType>(schema: Schema, description: string, docs: KeyDocs = {}): Schema =>
  schema.meta({ description, ...docs });

export const docsOf = (schema: z.ZodType): KeyDocs & { readonly description?: string | undefined } =>
  schema.meta() ?? {};

/** A length of time, written `500ms`, `60s`, `10m`, `4h`. An object, so that the unit stands wherever it is read. */
export interface Duration {
  readonly ms: number;
}

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^(\d{1,9})(ms|s|m|h)$/;

const durationMs = (text: string): number | undefined => {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS];
};

/** A duration between two others, for example `duration("1s", "24h")`. */
export const duration = (min: string, max: string) =>
  z
    .string({ error: `expected a time with its unit, such as 90s, 10m or 4h` })
    .refine(
      (text) => {
        const ms = durationMs(text);
        return ms !== undefined && ms >= (durationMs(min) ?? 0) && ms <= (durationMs(max) ?? Infinity);
      },
      { error: `expected a time between ${min} and ${max} with its unit, such as 90s, 10m or 4h` },
    )
    .transform((text): Duration => ({ ms: durationMs(text) ?? 0 }));

const isUrl = (text: string, protocols: readonly string[]): boolean =>
  URL.canParse(text) && protocols.includes(new URL(text).protocol) && new URL(text).hostname !== "";

/** An address, byte for byte as written. */
export const url = (protocols: readonly string[]) => {
  const error = `expected an address that starts with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
  return z
    .string({ error })
    .refine((text) => isUrl(text, protocols), { error })
    .refine((text) => !URL.canParse(text) || new URL(text).password === "", {
      error: "expected an address without a password in it: it would show in the log",
    });
};

/** The same without slashes at its end, so that paths can be put behind it. */
export const httpUrl = () => url(["http:", "https:"]).transform((text) => text.replace(/\/+$/, ""));

export const text = (what: string) => z.string({ error: `expected ${what}` }).min(1, { error: `expected ${what}` });

export const pattern = (regex: RegExp, what: string) =>
  z.string({ error: `expected ${what}` }).regex(regex, { error: `expected ${what}` });

export const wholeNumber = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

export const flag = () => z.boolean({ error: "expected true or false" });

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `expected one of ${values.join(", ")}` });

export const secret = (description: string, example: string) =>
  key(text("a secret text"), description, { secret: true, example });

/** Where a listener binds. Port 0 lets the system choose one (tests). */
export const listen = (defaultPort: number) =>
  z
    .strictObject({
      host: key(
        text("an IP address or host name").default("127.0.0.1"),
        "Address to bind. Keep it on 127.0.0.1 unless a proxy on another machine stands in front.",
      ),
      port: key(wholeNumber(0, 65_535).default(defaultPort), "TCP port."),
    })
    .prefault({});

export const serverName = () =>
  pattern(/^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?$/i, "a Matrix server name, such as example.org");

export const matrixUser = () =>
  pattern(/^@[^:\s]+:(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?$/i, "a Matrix user, such as @alice:example.org");

/** An E.164 number or an extension, in canonical form. */
export const dialable = () =>
  pattern(/^(\+[1-9]\d{6,14}|\d{1,15})$/, "a number as +33140506070, or an extension as 1001, in quotes");
