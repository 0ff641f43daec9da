import { toGatewayError } from "../errors.ts";
import type { Log } from "../log.ts";

export interface CheckResult {
  readonly ok: boolean;
  /** What was found, for example `Synapse 1.163, 12 ms`. */
  readonly text: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface StartupCheck {
  /** What is checked: `homeserver`, `trunk xivo`. */
  readonly name: string;
  /** May reject: then its message is the text. */
  run(): Promise<CheckResult>;
}

export type NamedResult = CheckResult & { readonly name: string };

export interface RunChecksOptions {
  readonly log: Log;
  /** Longest wait for one check. All run at the same time. */
  readonly timeoutMs?: number;
}

const withTimeout = async (check: StartupCheck, timeoutMs: number): Promise<CheckResult> => {
  const late = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(() => {
    late.resolve({
      ok: false,
      text: `no answer within ${timeoutMs / 1000} s`,
      fix: "Is it running, and reachable from here?",
    });
  }, timeoutMs);
  try {
    return await Promise.race([check.run(), late.promise]);
  } catch (error) {
    return { ok: false, text: toGatewayError(error).message };
  } finally {
    clearTimeout(timer);
  }
};

/** Runs all checks at once and writes one line each, in their order. Never rejects: what to do about a failure is the caller's choice. */
export const runChecks = async (
  checks: readonly StartupCheck[],
  { log, timeoutMs = 10_000 }: RunChecksOptions,
): Promise<readonly NamedResult[]> => {
  const results = await Promise.all(
    checks.map(async (check) => ({ name: check.name, ...(await withTimeout(check, timeoutMs)) })),
  );
  for (const { name, ok, text, fix } of results) {
    if (ok) log.info({ check: name, ok }, `${name}: ${text}`);
    else log.error({ check: name, ok, fix }, `${name}: ${text}${fix === undefined ? "" : `. ${fix}`}`);
  }
  return results;
};
