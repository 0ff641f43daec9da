import { format } from "node:util";
import { logger as sdkGlobalLogger, type Logger } from "matrix-js-sdk/lib/logger.js";
import type { Log } from "../log.ts";
import { maskGhosts } from "./mask.ts";

const MAX_MESSAGE_CHARS = 300;

/** Objects are left out: the SDK logs whole request bodies and events in them. */
const printable = (argument: unknown): string => {
  if (argument instanceof Error) return argument.message;
  return typeof argument === "string" || typeof argument === "number" ? String(argument) : `[${typeof argument}]`;
};

const nothing = (): void => {};

/** The SDK logs tokens and keys at debug level, so only its warnings and errors are passed on, and only their words. */
export const createSdkLogger = (log: Log, secret: string): Logger => {
  const words = (messages: readonly unknown[]): string => {
    const text = format(...messages.map(printable)).replaceAll(secret, "[token]");
    return maskGhosts(text.slice(0, MAX_MESSAGE_CHARS));
  };
  const sdkLogger: Logger = {
    trace: nothing,
    debug: nothing,
    info: nothing,
    warn: (...messages: unknown[]) => log.debug({ from: "matrix-js-sdk" }, words(messages)),
    error: (...messages: unknown[]) => log.warn({ from: "matrix-js-sdk" }, words(messages)),
    getChild: () => sdkLogger,
  };
  return sdkLogger;
};

/**
 * The SDK's global logger prints to the console and belongs to no client: it is turned off. Replacing `getChild` also avoids a leak:
 * js-sdk 43 asks it for a new, never freed logger per call membership.
 */
export const silenceSdkGlobalLogger = (): void => {
  const madeAtLoad = sdkGlobalLogger.getChild("RoomStickyEvents");
  const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing, log: nothing };
  Object.assign(madeAtLoad, silent);
  Object.assign(sdkGlobalLogger, silent, { getChild: () => sdkGlobalLogger });
};
