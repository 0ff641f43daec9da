/** Part of the composition root: the menu of the configuration, built of the dial-in domain, the engines and the media lobby. */
import type { IncomingCall } from "./calls/ports.ts";
import { findRule } from "./calls/dispatch.ts";
import { menuRuleOf, numberPlanOf, trunksOf } from "./config/domain.ts";
import type { Config } from "./config/schema.ts";
import type { Clock } from "./clock.ts";
import { CONFERENCE_ID_DIGITS } from "./dialin/conference.ts";
import { type Conferences, createConferences } from "./dialin/conferences.ts";
import { languageFor } from "./numbering/language.ts";
import { createPinCheck } from "./dialin/pin-check.ts";
import { createPinDefence } from "./dialin/pin-defence.ts";
import { createPinHasher } from "./dialin/pin-hash.ts";
import { GatewayError } from "./errors.ts";
import type { Log } from "./log.ts";
import { promptFolderProblems } from "./media/spoken-prompts.ts";
import { createMenuDesk, type MenuChoice, type MenuDesk, type MenuDeskDeps } from "./menu-desk.ts";
import { formatNumber } from "./numbering/format.ts";
import type { NumberPlan } from "./numbering/number-plan.ts";
import { parseNumber } from "./numbering/parse.ts";
import { canonicalDigits, type PhoneNumber } from "./numbering/phone-number.ts";
import type { Metrics } from "./observability/metrics.ts";
import type { Store } from "./store/store.ts";

export interface Dialin {
  /** For `!phone dialin`. */
  readonly conferences: Conferences;
  /** As people read them. */
  readonly numbers: readonly string[];
  /** The menu of the number that was dialled, if it has one. */
  menuFor(incoming: IncomingCall): MenuChoice | undefined;
}

export interface DialinDeps {
  readonly config: Config;
  readonly store: Pick<Store, "conferences">;
  readonly metrics: Pick<Metrics, "pinAlarm">;
  readonly clock: Clock;
  readonly log: Log;
}

const parsed = (number: string, plan: NumberPlan): PhoneNumber | undefined => {
  try {
    return parseNumber(number, plan);
  } catch {
    return undefined;
  }
};

/** A caller without a number that can be read. */
const NOBODY: PhoneNumber = { kind: "short", digits: "", class: "short-code", country: "" };

const checkPromptFolders = ({ menu, trunks }: Config): void => {
  const folders = [
    { key: "menu.prompts", folder: menu?.prompts },
    ...trunks.map(({ name, prompts }) => ({ key: `prompts.folder of the trunk ${name}`, folder: prompts.folder })),
  ];
  const problems = folders.flatMap(({ key, folder }) =>
    folder === undefined ? [] : promptFolderProblems(folder).map((problem) => `${key}: ${problem}`),
  );
  if (problems.length > 0) throw new GatewayError("CONFIG_INVALID", problems.join("; "));
};

/** Undefined when the configuration has no menu. Throws CONFIG_INVALID for recordings that cannot be used. */
export const createDialin = ({ config, store, metrics, clock, log }: DialinDeps): Dialin | undefined => {
  checkPromptFolders(config);
  const { menu } = config;
  if (menu === undefined) return undefined;
  const plan = numberPlanOf(config);
  const hasher = createPinHasher();
  const defence = createPinDefence({
    clock,
    onAlarm: ({ wrong, windowMs }) => {
      metrics.pinAlarm();
      log.error({ wrong, windowMs }, "many wrong PINs: somebody may be guessing them");
    },
  });
  const check = createPinCheck({ conferences: store.conferences, hasher, defence, clock });

  const menuFor = ({ called, trunkId, caller }: IncomingCall): MenuChoice | undefined => {
    const trunk = trunksOf(config).find(({ id }) => id === trunkId);
    const language = config.trunks.find(({ name }) => name === trunkId)?.prompts.language ?? menu.language;
    const trunkPlan = { ...plan, country: trunk?.inbound.country ?? plan.country };
    const number = caller.isHidden || caller.number === undefined ? undefined : parsed(caller.number, trunkPlan);
    const rule = findRule(menuRuleOf(config), { called, trunkId, caller: number ?? NOBODY, plan: trunkPlan });
    if (rule === undefined) return undefined;
    const digits = number === undefined ? undefined : canonicalDigits(number);
    return {
      setup: {
        language: languageFor(digits, { trunk: language }),
        roomDigits: CONFERENCE_ID_DIGITS,
        pinDigits: menu.pinDigits,
      },
      check,
      ...(trunk?.promptFolder === undefined ? {} : { promptFolder: trunk.promptFolder }),
      ...(digits === undefined ? {} : { caller: digits }),
    };
  };

  return {
    conferences: createConferences({ store: store.conferences, hasher, pinDigits: menu.pinDigits }),
    numbers: menu.numbers.map((number) => {
      const known = parsed(number, plan);
      return known === undefined ? number : formatNumber(known);
    }),
    menuFor,
  };
};

/** Puts menu and door before the calls. */
export const createDesk = ({
  config,
  dialin,
  ...ports
}: {
  readonly config: Config;
  readonly dialin: Dialin | undefined;
} & Pick<MenuDeskDeps, "sip" | "lobby" | "door" | "clock" | "log">): MenuDesk =>
  createMenuDesk({
    ...ports,
    menuFor: (incoming) => dialin?.menuFor(incoming),
    maxCallers: config.limits.inboundCalls,
    maxDurationMs: config.limits.maxCallDuration.ms,
  });
