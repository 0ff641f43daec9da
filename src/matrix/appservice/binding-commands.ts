import type { Binding, Bindings } from "../../directory/bindings.ts";
import { CODE_DIGITS, CODE_LIFE_MS, type Claims } from "../../directory/claims.ts";
import { GatewayError } from "../../errors.ts";
import { type RoomId, serverOf, type UserId, userId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { formatNumber, maskNumber } from "../../numbering/format.ts";
import type { PhoneNumber } from "../../numbering/phone-number.ts";

export type BindingCommand =
  | { readonly name: "bind"; readonly user: UserId; readonly number: string }
  | { readonly name: "unbind"; readonly number: string }
  | { readonly name: "bindings" }
  | { readonly name: "claim"; readonly number: string; readonly code?: string };

export const BINDING_HELP = [
  "!phone bind USER NUMBER: calls to this number ring the user, for example !phone bind @bob:example.org 1002 (control room)",
  "!phone unbind NUMBER: they do not any more; also for the user; !phone bindings: all of them (control room)",
  "!phone claim EXTENSION: calls it and says a code; !phone claim EXTENSION CODE then makes calls to it ring you",
].join("\n");

const CLAIM = new RegExp(`^(\\d+)(?:\\s+(\\d{${CODE_DIGITS}}))?$`);

const parseClaim = (rest: string): BindingCommand | undefined => {
  const [, number, code] = CLAIM.exec(rest) ?? [];
  if (number === undefined) return undefined;
  return code === undefined ? { name: "claim", number } : { name: "claim", number, code };
};

/** A user id and a number, in either order. */
const parseBind = (rest: string): BindingCommand | undefined => {
  const words = rest.split(/\s+/);
  const [user, ...others] = words.filter((word) => word.startsWith("@"));
  const number = words.filter((word) => !word.startsWith("@")).join(" ");
  if (user === undefined || others.length > 0 || number === "" || !/^@[^:]+:.+$/.test(user)) return undefined;
  return { name: "bind", user: userId(user), number };
};

/** @param rest what stands behind the verb, trimmed */
export const parseBindingCommand = (verb: string, rest: string): BindingCommand | undefined => {
  if (verb === "bind") return parseBind(rest);
  if (verb === "claim") return parseClaim(rest);
  if (verb === "unbind") return rest === "" ? undefined : { name: "unbind", number: rest };
  return verb === "bindings" && rest === "" ? { name: "bindings" } : undefined;
};

export interface BindingCommandsDeps {
  readonly bindings: Bindings;
  /** Absent: users cannot bind numbers themselves. */
  readonly claims?: Claims;
  /** True for who may say what numbers people have, from this room. */
  readonly isAdministrator: (room: RoomId, user: UserId) => boolean;
  readonly serverName: string;
  /** What the user is called; undefined: nothing. Rejects with BAD_REQUEST when there is no such user, and with HOMESERVER_*. */
  readonly nameOf: (user: UserId) => Promise<string | undefined>;
  /** Makes the user's chat with the number. Never fails. */
  readonly onBound: (number: PhoneNumber, user: UserId) => void;
  readonly log: Log;
}

export interface BindingMessage {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly command: BindingCommand;
}

const lineOf = ({ number, user, boundBy }: Binding): string =>
  boundBy === user ? `${number}: ${user}, by a claim` : `${number}: ${user}, by ${boundBy}`;

/** Runs what is written about whose a number is and resolves with what to answer. Rejects with GatewayError. */
export const createBindingCommands = (deps: BindingCommandsDeps): ((message: BindingMessage) => Promise<string>) => {
  const { bindings, log } = deps;

  const demandAdministrator = ({ room, sender }: BindingMessage): void => {
    if (deps.isAdministrator(room, sender)) return;
    throw new GatewayError("UNAUTHORIZED", "Only moderators of the control room may do that, and only there.");
  };

  const demandOwnServer = (user: UserId): void => {
    if (serverOf(user) === deps.serverName) return;
    throw new GatewayError("BAD_REQUEST", "Only users of the gateway's own homeserver can have a number.");
  };

  const bind = async (user: UserId, text: string, boundBy: UserId): Promise<string> => {
    demandOwnServer(user);
    bindings.check(text, user);
    const name = await deps.nameOf(user);
    const number = bindings.bind({ number: text, user, boundBy, ...(name === undefined ? {} : { name }) });
    log.info({ number: maskNumber(number), user, boundBy }, "a number was bound");
    deps.onBound(number, user);
    return `Calls to ${formatNumber(number)} ring ${user} from now on.`;
  };

  const claim = async (user: UserId, text: string, code: string | undefined): Promise<string> => {
    const { claims } = deps;
    if (claims === undefined) {
      throw new GatewayError("BAD_REQUEST", "Numbers cannot be claimed here: ask an administrator.");
    }
    demandOwnServer(user);
    if (code !== undefined) {
      claims.prove(user, text, code);
      return bind(user, text, user);
    }
    const digits = formatNumber(claims.ask(user, text));
    const minutes = CODE_LIFE_MS / 60_000;
    return `${digits} is being called and told a code. Write !phone claim ${digits} CODE within ${minutes} minutes.`;
  };

  const unbind = (message: BindingMessage, text: string): string => {
    const bound = bindings.find(text);
    if (bound.user !== message.sender) demandAdministrator(message);
    bindings.unbind(text);
    log.info({ user: bound.user, unboundBy: message.sender }, "a number was unbound");
    return `Calls to ${bound.number} do not ring ${bound.user} any more.`;
  };

  return async (message) => {
    const { sender, command } = message;
    switch (command.name) {
      case "bind":
        demandAdministrator(message);
        return bind(command.user, command.number, sender);
      case "claim":
        return claim(sender, command.number, command.code);
      case "unbind":
        return unbind(message, command.number);
      case "bindings": {
        demandAdministrator(message);
        const lines = bindings.all().map(lineOf);
        return lines.length === 0 ? "No number is bound." : lines.join("\n");
      }
    }
  };
};
