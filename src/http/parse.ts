import type { z } from "zod";
import { GatewayError } from "../errors.ts";

/** Parses input of a client; what is wrong comes back with the name of its field, never with its value. Throws BAD_REQUEST. */
export const parse = <Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const words = parsed.error.issues.map((issue) => {
    const field = issue.path.join(".");
    return field === "" ? issue.message : `${field}: ${issue.message}`;
  });
  throw new GatewayError("BAD_REQUEST", `${what}: ${words.join("; ")}`);
};
