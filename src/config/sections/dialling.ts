/** Numbers, and who may dial which. */
import { z } from "zod";
import { CONFIRM } from "../../calls/voice.ts";
import { checkNumberPlan, type NumberPlan } from "../../numbering/number-plan.ts";
import { NUMBER_CLASSES } from "../../numbering/phone-number.ts";
import { duration, key, oneOf, pattern, text, wholeNumber } from "../values.ts";

export const numberClass = () => oneOf(NUMBER_CLASSES);

export const numberPrefix = () =>
  pattern(/^(\+[1-9]?\d{0,14}|\d{1,15})$/, "the first characters of a canonical number, as +331 or 10, in quotes");

/** What the number plan itself refuses, said in its words. */
export const isPlan = (plan: Partial<NumberPlan>): boolean => {
  try {
    checkNumberPlan({ country: "FR", extensionPatterns: [], ...plan });
    return true;
  } catch {
    return false;
  }
};

export const numbering = z.strictObject({
  country: key(
    text("a country as two capital letters (ISO 3166-1), such as FR").refine((country) => isPlan({ country }), {
      error: "expected a country as two capital letters (ISO 3166-1), such as FR",
    }),
    "Country of the gateway: how numbers without + are read, and which short numbers are emergency numbers.",
    { example: "FR" },
  ),
  extensions: key(
    z
      .array(
        text("a pattern in quotes, such as 1XXX").refine((pattern) => isPlan({ extensionPatterns: [pattern] }), {
          error: "expected a pattern as in an Asterisk dial plan, such as 1XXX or [1-3]XX, in quotes",
        }),
      )
      .default([]),
    "Extensions of the PBX, as in an Asterisk dial plan: X is any digit, Z 1 to 9, N 2 to 9, [1-3] one of these. Only these may be dialled as they are.",
    { example: ["1XXX", "[2-4]XX"] },
  ),
  outside_line_prefix: key(
    z.exactOptional(pattern(/^\d{1,3}$/, "one to three digits, in quotes")),
    "Digits people are used to dial before an outside number; dropped when the rest is a number.",
    { example: "0" },
  ),
});

const subjectList = (what: string) => z.array(pattern(/^[^\s,]+$/, what));
const subjects = (what: string) => subjectList(what).default([]);

const rule = z
  .strictObject({
    users: key(
      subjects("a Matrix user, such as @alice:example.org"),
      "Matrix users this rule is for; * stands for anything.",
      {
        example: ["@alice:example.org"],
      },
    ),
    servers: key(
      subjects("a Matrix server name, such as example.org"),
      "All users of these homeservers; * stands for anything.",
      {
        example: ["example.org"],
      },
    ),
    tokens: key(z.array(text("the name of an API token")).default([]), "API tokens, by name.", { example: ["crm"] }),
    classes: key(
      z.array(numberClass()).min(1, { error: "expected at least one class: this rule allows nothing" }),
      "Classes of numbers they may dial. Emergency, premium and short numbers only if they stand here.",
      { example: ["internal", "national"] },
    ),
    prefixes: key(
      z.exactOptional(z.array(numberPrefix()).min(1, { error: "expected at least one prefix" })),
      "Only numbers of these classes that begin like this, in canonical form.",
      { example: ["+331", "10"] },
    ),
  })
  .refine((rule) => rule.users.length + rule.servers.length + rule.tokens.length > 0, {
    error: "expected users, servers or tokens: this rule is for nobody",
  })
  .refine((rule) => rule.users.every((user) => user.startsWith("@") || user === "*"), {
    error: "expected Matrix users that begin with @, such as @alice:example.org",
    path: ["users"],
  });

export const policy = z
  .strictObject({
    rules: key(
      z.array(rule).default([]),
      "A number may be dialled when one rule allows it. Without rules nobody can dial anything.",
    ),
    may_be_called: key(
      z.exactOptional(subjectList("a Matrix user, such as @alice:example.org")),
      "Matrix users whom phones may ring where `dispatch_rules` or the directory say so; * stands for anything. Others: 403. Default: users of our own server and of those that rules name.",
      { example: ["@*:example.org"] },
    ),
    attempts_per_minute: key(
      wholeNumber(1, 1000).default(6),
      "Attempts of one user or token in a minute, allowed or not.",
    ),
  })
  .prefault({});

export const limits = z
  .strictObject({
    calls_per_user: key(wholeNumber(1, 10_000).default(2), "Outbound calls of one user or token at the same time."),
    calls: key(wholeNumber(1, 10_000).default(10), "Outbound calls of the gateway at the same time."),
    inbound_calls: key(wholeNumber(1, 10_000).default(60), "Inbound calls of the gateway at the same time."),
    max_call_duration: key(
      duration("1m", "24h").prefault("4h"),
      "Longest call. Set in the SIP engine as well: a dead gateway cannot leave a call billing.",
    ),
  })
  .prefault({});

export const calls = z
  .strictObject({
    ring_timeout: key(
      duration("5s", "5m").prefault("60s"),
      "How long a phone rings. livekit-sip trunks ring for 75s at most.",
    ),
    forward_after: key(
      duration("5s", "5m").prefault("20s"),
      "How long a person is rung whose calls go on to somebody else when nobody answers. The PBX gives a call up after a time of its own.",
    ),
    alone_timeout: key(
      duration("1s", "1h").prefault("60s"),
      "How long phones stay after the last member that is not a phone has left; they are told.",
    ),
    confirm: key(
      oneOf(CONFIRM).default("none"),
      "Whether called phones have to press 1 before they are in the call, so that no voicemail greeting is. Commands (`!phone add NUMBER confirm`) and the API can ask for it call by call.",
    ),
    waiting_timeout: key(
      duration("10s", "4h").prefault("10m"),
      "How long a phone that called an empty room, or has to be let in, waits with music.",
    ),
  })
  .prefault({});
