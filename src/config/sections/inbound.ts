/** Calls that come in: where they go, and who calls. */
import { z } from "zod";
import { dialable, flag, key, matrixUser, pattern, text } from "../values.ts";
import { isPlan, numberPrefix } from "./dialling.ts";

export const country = () =>
  text("a country as two capital letters (ISO 3166-1), such as FR").refine((country) => isPlan({ country }), {
    error: "expected a country as two capital letters (ISO 3166-1), such as FR",
  });

/** Keys of a trunk about its calls to us. */
export const trunkInbound = z
  .strictObject({
    country: key(
      z.exactOptional(country()),
      "Country in which national numbers of callers are read. Default: `numbering.country`.",
      { example: "FR" },
    ),
    trusted: key(
      flag().default(false),
      'The PBX vouches for callers\' numbers. Otherwise names say "not verified", and such a caller never gets the user of the number.',
    ),
    show_external_callers: key(
      flag().default(false),
      "Numbers of outside callers stand in names and user ids, which every server in the room sees. By default they are masked; extensions never are.",
    ),
  })
  .prefault({});

/** Numbers are checked with the number plan (schema.ts). */
const forward = z
  .strictObject({
    no_answer: key(
      z.exactOptional(dialable()),
      "When nobody answers within `calls.forward_after`, or nobody can be rung.",
      { example: "1002" },
    ),
    busy: key(z.exactOptional(dialable()), "When they are in another call of the gateway.", { example: "1002" }),
    declined: key(z.exactOptional(dialable()), "When they decline.", { example: "1002" }),
  })
  .prefault({});

const dispatchRule = z
  .strictObject({
    name: key(
      pattern(/^[a-z0-9][a-z0-9-]{0,39}$/, "small letters, digits and dashes"),
      "Name of the rule, in logs and errors.",
      { example: "weekly-meeting" },
    ),
    numbers: key(
      z.array(dialable()).min(1, { error: "expected at least one number" }),
      "Called numbers, as the PBX sends them or in canonical form.",
      { example: ["8500"] },
    ),
    trunks: key(
      z.exactOptional(z.array(text("the name of a trunk")).min(1, { error: "expected at least one trunk" })),
      "Only calls of these trunks. Default: all.",
      { example: ["xivo"] },
    ),
    callers: key(
      z.exactOptional(z.array(numberPrefix()).min(1, { error: "expected at least one prefix" })),
      "Only callers whose canonical number begins with one of these. Of several rules for a number the longest wins.",
      { example: ["+331", "10"] },
    ),
    room: key(
      z.exactOptional(pattern(/^![^\s]+$/, "a room id, such as !abc:example.org")),
      "Matrix room whose call the phone joins. The bot must be in it, with the power to invite.",
      { example: "!abc:example.org" },
    ),
    user: key(
      z.exactOptional(matrixUser()),
      "Matrix user who is rung instead, in a chat of the caller's user with them. Numbers of many people: `directory`.",
      { example: "@bob:example.org" },
    ),
    forward: key(
      forward,
      "Where calls go on that the user does not take: an extension of another person, or a number that the user may dial (`asterisk` trunks only), such as a voicemail. Once; the next person's own forwarding does not count.",
    ),
  })
  .refine((rule) => (rule.room === undefined) !== (rule.user === undefined), {
    error: "expected either room or user",
  })
  .refine((rule) => rule.user !== undefined || Object.keys(rule.forward).length === 0, {
    error: "expected user: only calls to one go on to somebody else",
    path: ["forward"],
  });

export const dispatchRules = z.array(dispatchRule).default([]);

export const directory = z
  .strictObject({
    file: key(
      z.exactOptional(text("a file name")),
      "Names of phones and the Matrix users whom calls to a number ring: YAML (a list of `number`, `name`, `user`, and for a user `no_answer`, `busy`, `declined`: see `dispatch_rules[].forward`) or CSV (`number,name,user,no_answer,busy,declined`). Read again when it changes; while it has an error, the state before stays in force.",
      { example: "directory.yaml", path: true },
    ),
    claims: key(
      flag().default(false),
      "Users may bind an extension to themselves (`!phone claim`): it is called and told a code. They need the permission to dial it.",
    ),
  })
  .prefault({});
