import type { GatewayError } from "../../errors.ts";

/** What people read of an error: its words and its code, which an administrator can search for. */
export const errorWords = (error: GatewayError): string =>
  // Words of an unforeseen error are for the log.
  error.code === "INTERNAL"
    ? "The gateway had an internal error; its log says more. (INTERNAL)"
    : `${error.message} (${error.code})`;
