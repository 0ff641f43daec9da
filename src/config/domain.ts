/** The configuration as the call domain and the policy want it; what engines need is for app.ts to pick. */
import type { CallOptions } from "../calls/call.ts";
import type { Destination, DispatchRule } from "../calls/dispatch.ts";
import { mapForward } from "../calls/forward.ts";
import type { CallerId } from "../calls/ports.ts";
import type { Trunk, TrunkRoute } from "../calls/trunk.ts";
import { type E164, type Extension, roomId, trunkId, userId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import type { PolicyOptions } from "../policy/policy.ts";
import type { Config, TrunkConfig } from "./schema.ts";

const callerId = (value: string): CallerId =>
  value === "anonymous" ? { kind: "anonymous" } : { kind: "number", number: value as E164 | Extension };

const routeOf = (route: TrunkConfig["routes"][number]): TrunkRoute =>
  route.class === undefined ? { prefix: route.prefix ?? "" } : { class: route.class };

/** Phones of a trunk that says nothing about it are spoken to as the menu does. */
const spokenPromptsOf = ({ prompts }: TrunkConfig, { menu }: Config): Pick<Trunk, "language" | "promptFolder"> => {
  const language = prompts.language ?? (menu?.language === "ask" ? undefined : menu?.language);
  const folder = prompts.folder ?? menu?.prompts;
  return {
    ...(language === undefined ? {} : { language }),
    ...(folder === undefined ? {} : { promptFolder: folder }),
  };
};

const EARLY_MEDIA = { earlyMedia: "answer" } as const;

/** Trunks in the order to try them. */
export const trunksOf = (config: Config): readonly Trunk[] =>
  config.trunks.map((trunk) => ({
    id: trunkId(trunk.name),
    engine: trunk.engine,
    routes: trunk.routes.map(routeOf),
    dialFormat: trunk.dialFormat,
    callerId: {
      default: callerId(trunk.callerId.default),
      perUser: Object.fromEntries(Object.entries(trunk.callerId.users).map(([user, value]) => [user, callerId(value)])),
    },
    inbound: {
      country: trunk.inbound.country ?? config.numbering.country,
      isTrusted: trunk.inbound.trusted,
      showsExternalCallers: trunk.inbound.showExternalCallers,
    },
    ...(trunk.engine === "asterisk" && trunk.asterisk.earlyMedia === "answer" ? EARLY_MEDIA : {}),
    ...spokenPromptsOf(trunk, config),
  }));

/** Undefined where the number plan knows no such number. */
export const numberIn = (text: string, plan: NumberPlan): PhoneNumber | undefined => {
  try {
    return parseNumber(text, plan);
  } catch {
    return undefined;
  }
};

const destinationOf = (rule: Config["dispatchRules"][number], plan: NumberPlan): Destination => {
  const { room = "", user } = rule;
  if (user === undefined) return { kind: "room", roomId: roomId(room) };
  const forward = mapForward(rule.forward, (text) => numberIn(text, plan));
  return { kind: "user", userId: userId(user), ...(Object.keys(forward).length === 0 ? {} : { forward }) };
};

export const dispatchRulesOf = (config: Config): readonly DispatchRule[] => {
  const plan = numberPlanOf(config);
  return config.dispatchRules.map((rule) => ({
    name: rule.name,
    numbers: rule.numbers,
    trunks: (rule.trunks ?? config.trunks.map((trunk) => trunk.name)).map(trunkId),
    ...(rule.callers === undefined ? {} : { callers: rule.callers }),
    destination: destinationOf(rule, plan),
  }));
};

/** The numbers of the menu as a dispatch rule, for finding and for conflicts; none without a menu. It leads to no room by itself. */
export const menuRuleOf = ({ menu, trunks }: Config): readonly DispatchRule[] =>
  menu === undefined
    ? []
    : [
        {
          name: "menu",
          numbers: menu.numbers,
          trunks: (menu.trunks ?? trunks.map((trunk) => trunk.name)).map(trunkId),
          destination: { kind: "room", roomId: roomId("") },
        },
      ];

export const numberPlanOf = ({ numbering }: Config): NumberPlan => ({
  country: numbering.country,
  extensionPatterns: numbering.extensions,
  ...(numbering.outsideLinePrefix === undefined ? {} : { outsideLinePrefix: numbering.outsideLinePrefix }),
});

export const policyOptionsOf = ({ policy }: Config): PolicyOptions => ({
  rules: policy.rules,
  attemptsPerMinute: policy.attemptsPerMinute,
  ...(policy.mayBeCalled === undefined ? {} : { mayBeCalled: policy.mayBeCalled }),
});

export const callOptionsOf = ({ calls, limits }: Config): Partial<CallOptions> => ({
  ringTimeoutMs: calls.ringTimeout.ms,
  forwardAfterMs: calls.forwardAfter.ms,
  aloneHangupMs: calls.aloneTimeout.ms,
  waitingHangupMs: calls.waitingTimeout.ms,
  confirm: calls.confirm,
  maxDurationMs: limits.maxCallDuration.ms,
  maxCallsPerUser: limits.callsPerUser,
  maxCalls: limits.calls,
  maxInboundCalls: limits.inboundCalls,
});
