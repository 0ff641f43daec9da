/** Part of the composition root: whose a number is, by the administrator's file and by what people have bound. */
import { randomInt } from "node:crypto";
import { z } from "zod";
import { findRule } from "./calls/dispatch.ts";
import type { RoomPort } from "./calls/ports.ts";
import { dispatchRulesOf, menuRuleOf, numberPlanOf, trunksOf } from "./config/domain.ts";
import type { Config } from "./config/schema.ts";
import { createClaimCalls, type ClaimCallsDeps } from "./claim-call.ts";
import { createBindings, findOvertaken } from "./directory/bindings.ts";
import { CODE_DIGITS, createClaims } from "./directory/claims.ts";
import type { Directory, Owner } from "./directory/directory.ts";
import type { Clock } from "./clock.ts";
import { openDirectory } from "./directory/open-directory.ts";
import { GatewayError } from "./errors.ts";
import { roomId, trunkId, type UserId } from "./ids.ts";
import type { Log } from "./log.ts";
import {
  type BindingCommandsDeps,
  type BindingMessage,
  createBindingCommands,
} from "./matrix/appservice/binding-commands.ts";
import { type Homeserver, MatrixError, matrixPath } from "./matrix/homeserver.ts";
import { maskDigits } from "./numbering/format.ts";
import { createRateLimit } from "./policy/rate-limit.ts";
import type { Policy } from "./policy/policy.ts";
import type { Store } from "./store/store.ts";

export interface NumbersDeps {
  readonly config: Config;
  readonly store: Pick<Store, "bindings">;
  readonly homeserver: Homeserver;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Numbers {
  readonly directory: Directory;
  /** Hears of everybody who has a number by the file: now, and whenever it was read again. */
  onOwners(listener: (owners: readonly Owner[]) => void): void;
  /** What runs `!phone bind` and its like. */
  commands(
    world: Pick<ClaimCallsDeps, "sip" | "lobby"> & {
      readonly rooms: Pick<RoomPort, "isModerator" | "newestOf">;
      readonly onBound: BindingCommandsDeps["onBound"];
    },
  ): (message: BindingMessage) => Promise<string>;
  /** Hangs up phones that are told a code. */
  close(): Promise<void>;
}

/** Two to nine: what recordings of numbers can say. */
const newCode = (): string => Array.from({ length: CODE_DIGITS }, () => randomInt(2, 10)).join("");

const profileSchema = z.object({ displayname: z.string().optional().catch(undefined) });

const displayName = async (homeserver: Homeserver, user: UserId): Promise<string | undefined> => {
  try {
    const path = matrixPath("client/v3", "profile", user);
    return profileSchema.parse(await homeserver.request({ method: "GET", path })).displayname;
  } catch (error) {
    if (!(error instanceof MatrixError) || error.retryable) throw error;
    if (error.status === 404) throw new GatewayError("BAD_REQUEST", `There is no user ${user}.`);
    // Profiles of people who share no room with us may be nobody's business.
    return undefined;
  }
};

/** Rejects with CONFIG_INVALID for a file that cannot be used from the start. */
export const openNumbers = async ({ config, store, homeserver, policy, clock, log }: NumbersDeps): Promise<Numbers> => {
  const plan = numberPlanOf(config);
  let tellOwners: (owners: readonly Owner[]) => void = () => {};
  const file = await openDirectory({
    file: config.directory.file,
    plan,
    log,
    onRead: (directory) => {
      tellOwners(directory.owners());
      for (const { number, user } of findOvertaken(directory, store.bindings, plan)) {
        log.warn(
          { number: maskDigits(number), user },
          "a bound number is somebody else's in the directory: that counts",
        );
      }
    },
  });
  const rules = [...dispatchRulesOf(config), ...menuRuleOf(config)];
  const bindings = createBindings({
    file,
    store: store.bindings,
    plan,
    ruleOf: (called) =>
      config.trunks
        .map(({ name }) => {
          const caller = { kind: "anonymous", class: "anonymous" } as const;
          return findRule(rules, { called, trunkId: trunkId(name), caller, plan })?.name;
        })
        .find((rule) => rule !== undefined),
  });
  const { controlRoom } = config.bot;
  let claimCalls: ReturnType<typeof createClaimCalls> | undefined;
  return {
    directory: bindings.directory,
    onOwners: (listener) => {
      tellOwners = listener;
      listener(file.owners());
    },
    commands: ({ rooms, onBound, sip, lobby }) => {
      claimCalls = createClaimCalls({ sip, lobby, trunks: trunksOf(config), plan, log });
      const claims = createClaims({
        bindings,
        plan,
        limit: createRateLimit({ perMinute: 1, clock }),
        authorize: (user, number) => policy.authorize({ kind: "user", userId: user }, number),
        speak: (...claim) => claimCalls?.speak(...claim),
        newCode,
        nowMs: () => clock.nowMs(),
      });
      return createBindingCommands({
        bindings,
        ...(config.directory.claims ? { claims } : {}),
        isAdministrator: (room, user) =>
          controlRoom !== undefined && room === rooms.newestOf(roomId(controlRoom)) && rooms.isModerator(room, user),
        serverName: config.homeserver.serverName,
        nameOf: (user) => displayName(homeserver, user),
        onBound,
        log,
      });
    },
    close: async () => {
      file.close();
      await claimCalls?.close();
    },
  };
};
