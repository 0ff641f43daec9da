/**
 * Takes secrets and phone numbers out of what is about to be logged. Nobody should hand them to the logger in the first place; this is
 * the net below: an SDK's error that quotes a URL with a token, an object that was logged whole.
 */
import { types } from "node:util";

export const REDACTED = "[redacted]";

export interface RedactOptions {
  /** Secrets of the configuration: struck out wherever they turn up. */
  readonly secrets?: readonly string[];
  /** True: phone numbers in full. */
  readonly showNumbers?: boolean;
}

/** Keys whose value is a secret, whatever it looks like, by the end of their name: `asToken`, `ari_password`, `mediaKey`. */
const SECRET_KEY =
  /(token|password|passwd|secret|authorization|cookie|credentials?|apikey|privatekey|mediakey|keybase64|recoverykey|pin|dtmf|digits?)$/;
/** A field called exactly this is a key, and not the name of one. */
const SECRET_NAMES: ReadonlySet<string> = new Set(["key", "keys", "jwt", "sealed", "auth"]);

const isSecretKey = (key: string): boolean => {
  const plain = key.replaceAll(/[_\-.]/g, "").toLowerCase();
  return SECRET_KEY.test(plain) || SECRET_NAMES.has(plain);
};

/** Secrets that give themselves away by their form or by what stands before them. */
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w\-.~+/=]{6,}/gi, `$1 ${REDACTED}`],
  [
    /\b((?:access_|as_|hs_)?token|api_key|password|passwd|secret|jwt)(["']?\s*[=:]\s*["']?)[^\s"'&,;}]+/gi,
    `$1$2${REDACTED}`,
  ],
  // scheme://user:password@host
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, `$1:${REDACTED}@`],
  // A JSON web token (SFU access) and Synapse's access tokens.
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, REDACTED],
  [/\bsyt_[\w-]{8,}/g, REDACTED],
];

/** `+33140506070` and, in URLs, `%2B33140506070`: the first two and the last two digits stay. */
const E164_TEXT = /(\+|%2B)([1-9]\d{6,14})(?!\d)/gi;
/** Numbers as dialled inside a country or to another one: `0140506070`, `0033140506070`. */
const NATIONAL_TEXT = /(?<![\w.:-])0\d{8,14}(?![\w.:-])/g;
/** Numbers in ghost ids, also in those that nobody should write (`@tel_0140506070`). */
const GHOST_TEXT = /(?<=tel_)\d{7,15}/g;

const masked = (digits: string): string => `${digits.slice(0, 2)}${"*".repeat(digits.length - 4)}${digits.slice(-2)}`;

const maskNumbers = (text: string): string =>
  text
    .replace(E164_TEXT, (_, plus: string, digits: string) => plus + masked(digits))
    .replace(NATIONAL_TEXT, masked)
    .replace(GHOST_TEXT, masked);

/** Deeper than this nothing is shown: log fields are flat by rule. */
const MAX_DEPTH = 6;

export interface Redactor {
  text(text: string): string;
  value(value: unknown): unknown;
}

export const createRedactor = ({ secrets = [], showNumbers = false }: RedactOptions = {}): Redactor => {
  // The longest first: one secret may be the beginning of another. Very short ones would strike out ordinary words.
  const known = secrets.filter((secret) => secret.length >= 6).sort((a, b) => b.length - a.length);

  const text = (input: string): string => {
    let output = input;
    for (const secret of known) output = output.replaceAll(secret, REDACTED);
    for (const [form, instead] of SECRET_TEXT) output = output.replace(form, instead);
    return showNumbers ? output : maskNumbers(output);
  };

  const error = (thrown: Error, depth: number): unknown => ({
    type: thrown.name,
    message: text(thrown.message),
    ...("code" in thrown ? { code: value(thrown.code, depth + 1) } : {}),
    ...(thrown.stack === undefined ? {} : { stack: text(thrown.stack) }),
    ...(thrown.cause === undefined ? {} : { cause: value(thrown.cause, depth + 1) }),
  });

  const value = (input: unknown, depth = 0): unknown => {
    if (typeof input === "string") return text(input);
    if (typeof input === "bigint") return String(input);
    if (typeof input === "function" || typeof input === "symbol") return undefined;
    if (typeof input !== "object" || input === null) return input;
    if (depth > MAX_DEPTH) return "[too deep]";
    if (types.isNativeError(input)) return error(input, depth);
    // Bytes in a log are keys or audio, and neither belongs there.
    if (ArrayBuffer.isView(input)) return `[${input.byteLength} bytes]`;
    if (input instanceof Date || input instanceof URL)
      return text(input instanceof Date ? input.toISOString() : input.href);
    if (input instanceof Map) return value(Object.fromEntries(input), depth);
    if (input instanceof Set) return value([...input], depth);
    if (Array.isArray(input)) return input.map((item) => value(item, depth + 1));
    return Object.fromEntries(
      Object.entries(input).map(([key, item]) => [
        text(key),
        isSecretKey(key) ? secretOf(item) : value(item, depth + 1),
      ]),
    );
  };

  return { text, value: (input) => value(input) };
};

/** Whether there is one may be seen. */
const secretOf = (item: unknown): unknown => (item === undefined || item === null ? item : REDACTED);
