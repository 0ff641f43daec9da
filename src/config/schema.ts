/** The whole configuration: sections, and what must fit between them. */
import { z } from "zod";
import { findConflicts } from "../calls/dispatch.ts";
import { type CamelKeys, camelKeys } from "./camel-keys.ts";
import { dispatchRulesOf, menuRuleOf, numberIn, numberPlanOf } from "./domain.ts";
import { appservice, bot, crypto, homeserver, rtc } from "./sections/matrix.ts";
import { calls, limits, numbering, policy } from "./sections/dialling.ts";
import { directory, dispatchRules } from "./sections/inbound.ts";
import { menu } from "./sections/menu.ts";
import { asterisk, livekitSip, media, trunk } from "./sections/sip.ts";
import { api, logging, store } from "./sections/service.ts";
import { key } from "./values.ts";

const sections = z.strictObject({
  homeserver: key(homeserver, "The Matrix homeserver."),
  appservice: key(appservice, "Listener for the homeserver."),
  bot: key(bot, "The bot that people talk to."),
  api: key(api, "Listener for programs and for monitoring."),
  numbering: key(numbering, "How phone numbers are read."),
  policy: key(policy, "Who may dial what. Nothing is allowed by default."),
  limits: key(limits, "Upper bounds: what a mistake or a thief can cost."),
  calls: key(calls, "Timers of a call."),
  trunks: key(
    z.array(trunk).default([]),
    "Ways to a PBX: here, or in files of their own (`file`, with `use` for some trunks of it only).",
  ),
  dispatch_rules: key(
    dispatchRules,
    "Where calls from phones go. Without a rule for it a number does not exist (404).",
  ),
  menu: key(z.exactOptional(menu), "Menu for phones: room number and PIN. Without it nobody can turn dial-in on."),
  directory: key(directory, "Names of phones."),
  asterisk: key(z.exactOptional(asterisk), "The gateway's own Asterisk, for trunks with `engine: asterisk`.", {
    sample: "live",
  }),
  livekit_sip: key(z.exactOptional(livekitSip), "livekit-sip, for trunks with `engine: livekit-sip`."),
  rtc: key(rtc, "MatrixRTC."),
  media: key(media, "Media workers."),
  store: key(store, "Where the gateway keeps what must survive a restart."),
  crypto: key(crypto, "End-to-end encryption."),
  logging: key(logging, "The log, on standard output."),
});

export const configSchema = sections;

/** The values as the file writes them, defaults filled in. */
export type ConfigValues = z.output<typeof sections>;

/** The configuration as the code sees it: camelCase, frozen. Holds secrets: never log it (see summary.ts). */
export type Config = CamelKeys<ConfigValues>;
export type TrunkConfig = Config["trunks"][number];

export const toConfig = (values: ConfigValues): Config => camelKeys(values);

/** Something wrong that only shows between sections. */
export interface Misfit {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const duplicates = (names: readonly string[], path: (index: number) => (string | number)[]): Misfit[] =>
  names.flatMap((name, index) =>
    names.indexOf(name) < index ? [{ path: path(index), message: `expected a name of its own: ${name} is taken` }] : [],
  );

const engineMisfits = (config: Config): Misfit[] =>
  config.trunks.flatMap((trunk, index) => {
    const section = trunk.engine === "asterisk" ? config.asterisk : config.livekitSip;
    if (section !== undefined) return [];
    const name = trunk.engine === "asterisk" ? "asterisk" : "livekit_sip";
    return [{ path: ["trunks", index, "engine"], message: `expected a section ${name}: it says where the engine is` }];
  });

const tokenMisfits = (config: Config): Misfit[] => {
  const names = config.api.tokens.map((token) => token.name);
  return config.policy.rules.flatMap((rule, ruleIndex) =>
    rule.tokens.flatMap((name, index) =>
      names.includes(name)
        ? []
        : [
            {
              path: ["policy", "rules", ruleIndex, "tokens", index],
              message: `expected the name of a token in api.tokens, got ${JSON.stringify(name)}`,
            },
          ],
    ),
  );
};

const dispatchMisfits = (config: Config): Misfit[] => {
  const { dispatchRules: rules } = config;
  const trunks = config.trunks.map((trunk) => trunk.name);
  const unknown = rules.flatMap((rule, ruleIndex) =>
    (rule.trunks ?? []).flatMap((name, index) =>
      trunks.includes(name)
        ? []
        : [
            {
              path: ["dispatch_rules", ruleIndex, "trunks", index],
              message: `expected the name of a trunk, got ${JSON.stringify(name)}`,
            },
          ],
    ),
  );
  const conflicts = findConflicts(dispatchRulesOf(config)).map(({ first, second, number }) => ({
    path: ["dispatch_rules", second],
    message: `expected one rule for a call: ${rules[second]?.name} and ${rules[first]?.name} both take ${number} from the same trunk and callers`,
  }));
  return [...unknown, ...conflicts];
};

const forwardMisfits = (config: Config): Misfit[] => {
  const plan = numberPlanOf(config);
  return config.dispatchRules.flatMap(({ forward }, index) =>
    Object.entries(forward)
      .filter(([, number]) => numberIn(number, plan) === undefined)
      .map(([, number]) => ({
        path: ["dispatch_rules", index, "forward"],
        message: `expected numbers of the number plan (numbering), got ${JSON.stringify(number)}`,
      })),
  );
};

const menuMisfits = (config: Config): Misfit[] => {
  const { menu, dispatchRules: rules } = config;
  const trunks = config.trunks.map((trunk) => trunk.name);
  const unknown = (menu?.trunks ?? []).flatMap((name, index) =>
    trunks.includes(name)
      ? []
      : [{ path: ["menu", "trunks", index], message: `expected the name of a trunk, got ${JSON.stringify(name)}` }],
  );
  const taken = findConflicts([...dispatchRulesOf(config), ...menuRuleOf(config)])
    .filter(({ second }) => second === rules.length)
    .map(({ first, number }) => ({
      path: ["menu", "numbers"],
      message: `expected numbers of its own: the dispatch rule ${rules[first]?.name} takes ${number} from the same trunk`,
    }));
  return [...unknown, ...taken];
};

const listenerMisfits = (config: Config): Misfit[] => {
  const { appservice, api } = config;
  const same = appservice.listen.port === api.listen.port && appservice.listen.host === api.listen.host;
  return same && api.listen.port !== 0
    ? [{ path: ["api", "listen", "port"], message: "expected a port of its own: appservice.listen has it" }]
    : [];
};

export const findMisfits = (config: Config): readonly Misfit[] => [
  ...duplicates(
    config.trunks.map((trunk) => trunk.name),
    (index) => ["trunks", index, "name"],
  ),
  ...duplicates(
    config.api.tokens.map((token) => token.name),
    (index) => ["api", "tokens", index, "name"],
  ),
  ...duplicates(
    config.dispatchRules.map((rule) => rule.name),
    (index) => ["dispatch_rules", index, "name"],
  ),
  ...engineMisfits(config),
  ...dispatchMisfits(config),
  ...forwardMisfits(config),
  ...menuMisfits(config),
  ...tokenMisfits(config),
  ...listenerMisfits(config),
];
