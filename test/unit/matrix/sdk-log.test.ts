import { expect, test } from "@jest/globals";
import { logger as sdkGlobalLogger } from "matrix-js-sdk/lib/logger.js";
import type { Log } from "../../../src/log.ts";
import { maskGhosts } from "../../../src/matrix/mask.ts";
import { createSdkLogger, silenceSdkGlobalLogger } from "../../../src/matrix/sdk-log.ts";

const recordingLog = (lines: string[]): Log => {
  const log: Log = {
    debug: (_, message) => lines.push(`debug ${message}`),
    info: (_, message) => lines.push(`info ${message}`),
    warn: (_, message) => lines.push(`warn ${message}`),
    error: (_, message) => lines.push(`error ${message}`),
    child: () => log,
  };
  return log;
};

test.each([
  ["@tel_+33140506070:example.org", "@tel_+33*****70:example.org"],
  ["/profile/%40tel_%2B33140506070%3Aexample.org", "/profile/%40tel_%2B33*****70%3Aexample.org"],
  ["@tel_1001:example.org", "@tel_****:example.org"],
  ["@tel_xabcdefghij23:example.org", "@tel_xabcdefghij23:example.org"],
])("masks the number in %s", (text, masked) => {
  expect(maskGhosts(text)).toBe(masked);
});

test("passes warnings and errors on, without the token, objects and numbers", () => {
  const lines: string[] = [];
  const logger = createSdkLogger(recordingLog(lines), "secret-token").getChild("sync");
  logger.trace("a");
  logger.debug("b secret-token");
  logger.info("c");
  logger.warn("sent %s", { access_token: "secret-token" });
  logger.error("failed /tel_%2B33140506070?access_token=secret-token", new Error("no secret-token"));
  expect(lines).toEqual(["debug sent [object]", "warn failed /tel_%2B33*****70?access_token=[token] no [token]"]);
});

test("the SDK's global logger writes nothing and makes no children", () => {
  const written: unknown[] = [];
  const { warn, debug, error } = console;
  Object.assign(console, { warn: (...a: unknown[]) => written.push(a), debug: (...a: unknown[]) => written.push(a) });
  Object.assign(console, { error: (...a: unknown[]) => written.push(a) });
  try {
    silenceSdkGlobalLogger();
    sdkGlobalLogger.error("x");
    sdkGlobalLogger.getChild("[CallMembership @a:b:C]").debug("y");
  } finally {
    Object.assign(console, { warn, debug, error });
  }
  expect(written).toEqual([]);
  expect(sdkGlobalLogger.getChild("other")).toBe(sdkGlobalLogger);
});
