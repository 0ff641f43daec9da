/** What every service has: API, store, log. */
import { z } from "zod";
import { duration, flag, key, listen, oneOf, pattern, text } from "../values.ts";

const apiToken = z.strictObject({
  name: key(
    pattern(/^[a-z0-9][a-z0-9-]{0,39}$/, "small letters, digits and dashes"),
    "Name of the token: what policy rules and logs call it.",
    { example: "crm" },
  ),
  token: key(
    text("a secret text").min(16, { error: "expected at least 16 characters (openssl rand -hex 32)" }),
    "The token itself: `Authorization: Bearer TOKEN`.",
    { secret: true, example: "replace-me-with-openssl-rand-hex-32" },
  ),
});

export const api = z
  .strictObject({
    listen: key(listen(9301), "Where the API, /healthz, /readyz and /metrics are. The last three ask for no token."),
    tokens: key(
      z.array(apiToken).default([]),
      "Who may use the API. What they may dial is up to `policy.rules`: nothing by default.",
    ),
  })
  .prefault({});

export const store = z
  .strictObject({
    path: key(
      text("a file name").default("mrtc-sip-gateway.db"),
      "SQLite database: calls, ghosts, sealed cross-signing keys.",
      { path: true },
    ),
    keep_calls: key(
      z.exactOptional(duration("1h", "87600h")),
      "How long calls that are over stay in the history. Default: for ever.",
      { example: "2160h" },
    ),
  })
  .prefault({});

export const logging = z
  .strictObject({
    level: key(oneOf(["debug", "info", "warn", "error"]).default("info"), "Least important lines to write."),
    show_numbers: key(
      flag().default(false),
      "Write phone numbers in full. By default only their first and last digits.",
    ),
  })
  .prefault({});
