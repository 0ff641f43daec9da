import type { PolicyPort, Subject } from "../calls/ports.ts";
import type { Clock } from "../clock.ts";
import { GatewayError } from "../errors.ts";
import { serverOf } from "../ids.ts";
import { canonicalDigits, type NumberClass, type PhoneNumber } from "../numbering/phone-number.ts";
import { createRateLimit } from "./rate-limit.ts";

/** One permission: whoever is named may dial what is named. Rules add up; none takes away what another gives. */
export interface PolicyRule {
  /** Matrix users, `@alice:example.org`; `*` stands for any characters: `@*:example.org`. */
  readonly users?: readonly string[];
  /** Servers, all of whose users are meant: `example.org`, `*.example.org`. */
  readonly servers?: readonly string[];
  /** Names of API tokens. */
  readonly tokens?: readonly string[];
  /** Emergency numbers and short codes only where they are named here. */
  readonly classes: readonly NumberClass[];
  /** Narrows the classes to numbers that begin like this in canonical form: `+331`, `10`. Absent: all of them. */
  readonly prefixes?: readonly string[];
}

export interface PolicyOptions {
  /** Empty: nobody can dial anything. */
  readonly rules: readonly PolicyRule[];
  /** Attempts of one user or token in any 60 s, allowed or not. Default 6. */
  readonly attemptsPerMinute?: number;
  /** Matrix users whom phones may ring, written as in rules. Absent: those of servers that are known. */
  readonly mayBeCalled?: readonly string[];
}

export interface Policy extends PolicyPort {
  /** True for our own server and for servers that a rule names. Invites from all others are rejected without a word. */
  isKnownServer(server: string): boolean;
  /** True when some user may dial it. */
  isDiallable(number: PhoneNumber): boolean;
}

const glob = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"))
      .join("[^]*")}$`,
  );

const matchesAny = (patterns: readonly string[] | undefined, value: string): boolean =>
  patterns?.some((pattern) => glob(pattern).test(value)) ?? false;

const namesSubject = (rule: PolicyRule, subject: Subject): boolean => {
  switch (subject.kind) {
    case "token":
      return rule.tokens?.includes(subject.name) ?? false;
    case "user":
      return matchesAny(rule.users, subject.userId) || matchesAny(rule.servers, serverOf(subject.userId));
    case "trunk":
      return false;
  }
};

/** Attempts are counted for each of these. */
const keyOf = (subject: Subject): string => {
  if (subject.kind === "user") return subject.userId;
  return subject.kind === "token" ? `token ${subject.name}` : `trunk ${subject.trunkId}`;
};

const namesNumber = (rule: PolicyRule, number: PhoneNumber): boolean =>
  number.class !== "anonymous" &&
  rule.classes.includes(number.class) &&
  (rule.prefixes?.some((prefix) => canonicalDigits(number).startsWith(prefix)) ?? true);

const refusal = (number: PhoneNumber): GatewayError => {
  if (number.class === "emergency") {
    return new GatewayError(
      "EMERGENCY_NOT_PERMITTED",
      "Emergency numbers cannot be called from here. Use a telephone: it also tells the emergency service where you are.",
    );
  }
  return new GatewayError(
    "NUMBER_NOT_PERMITTED",
    `You may not call this number (class ${number.class}). An administrator can allow it in the gateway's policy.`,
  );
};

export const createPolicy = ({
  options,
  ownServer,
  clock,
}: {
  readonly options: PolicyOptions;
  /** Server of the gateway's own homeserver. */
  readonly ownServer: string;
  readonly clock: Clock;
}): Policy => {
  const limit = createRateLimit({ perMinute: options.attemptsPerMinute ?? 6, clock });
  const serverPatterns = options.rules.flatMap((rule) => [
    ...(rule.servers ?? []),
    // The server of a user pattern; a pattern without one, such as `*`, names every server.
    ...(rule.users ?? []).map((user) => (user.includes(":") ? user.slice(user.indexOf(":") + 1) : "*")),
  ]);
  const permits: Policy["permits"] = (subject, number) =>
    options.rules.some((rule) => namesSubject(rule, subject) && namesNumber(rule, number));
  const isKnownServer: Policy["isKnownServer"] = (server) => server === ownServer || matchesAny(serverPatterns, server);
  return {
    permits,
    isKnownServer,
    mayBeCalled: (user) =>
      options.mayBeCalled === undefined ? isKnownServer(serverOf(user)) : matchesAny(options.mayBeCalled, user),
    authorize: (subject, number) => {
      const waitMs = limit.attempt(keyOf(subject));
      if (waitMs > 0) {
        throw new GatewayError(
          "LIMIT_REACHED",
          `Too many calls within a minute. Try again in ${Math.ceil(waitMs / 1000)} s.`,
          { retryable: true },
        );
      }
      if (!permits(subject, number)) throw refusal(number);
    },
    isDiallable: (number) =>
      options.rules.some(
        ({ users = [], servers = [], ...rule }) => users.length + servers.length > 0 && namesNumber(rule, number),
      ),
  };
};
