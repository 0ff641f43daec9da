import { describe, expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import { configReference, sampleConfig } from "../../../src/config/reference.ts";
import { configSchema } from "../../../src/config/schema.ts";
import { keysOf } from "../../../src/config/walk.ts";
import { asteriskSection, configFolder, minimal } from "./files.ts";

const REGENERATE = "it differs from the schema: npm run --silent gateway -- config";
const newTokens = { asToken: "a", hsToken: "h" };

describe("generated files", () => {
  test("config.sample.yaml is what the schema says", () => {
    const same = readFileSync("config.sample.yaml", "utf8") === sampleConfig();
    expect(same || `${REGENERATE} sample > config.sample.yaml`).toBe(true);
  });

  test("docs/configuration.md is what the schema says", () => {
    const same = readFileSync("docs/configuration.md", "utf8") === configReference();
    expect(same || `${REGENERATE} reference > docs/configuration.md`).toBe(true);
  });

  test("every section is in both", () => {
    for (const name of keysOf(configSchema).keys()) {
      expect(sampleConfig()).toMatch(new RegExp(`^#?${name}:`, "m"));
      expect(configReference()).toContain(`\n## ${name}\n`);
    }
  });
});

describe("config.sample.yaml", () => {
  test("works as it is, beside sip-trunks/", () => {
    const config = loadConfig({ file: "config.sample.yaml", environment: {}, newTokens });
    expect(config.trunks.map((trunk) => trunk.name)).toEqual(["xivo"]);
    expect(config.policy.rules).toEqual([]);
    expect(config.api.tokens).toEqual([]);
  });

  test("works with every key switched on, and then says the same as its defaults", () => {
    using folder = configFolder();
    const everything = sampleConfig()
      .replace(/^(\s*)#(?! )/gm, "$1")
      // A key that excludes another one.
      .replace(/^ +(as_token|hs_token|user|forward|no_answer|busy|declined):.*\n/gm, "")
      .replace("file: sip-trunks", `file: ${resolve("sip-trunks")}`);
    const file = folder.write("config.yaml", everything);
    const config = loadConfig({ file, environment: {}, newTokens });
    expect(config.trunks.map((trunk) => trunk.name)).toEqual(["xivo", "pbx", "pbx-over-livekit"]);
    const { calls, limits, media, logging } = loadConfig({ file: "config.sample.yaml", environment: {}, newTokens });
    expect(config).toMatchObject({ calls, limits, media, logging });
    expect(config.policy.rules).toHaveLength(1);
  });
});

describe("sip-trunks", () => {
  test.each([
    ["xivo.yaml", ["xivo", "xivo-registered", "xivo-tls"]],
    ["generic.yaml", ["pbx", "pbx-over-livekit"]],
  ])("%s fits the schema", (name, names) => {
    using folder = configFolder();
    const file = folder.write("config.yaml", {
      ...minimal(),
      trunks: [{ file: resolve("sip-trunks", name) }],
      asterisk: asteriskSection(),
      livekit_sip: { url: "http://127.0.0.1:7880", api_key: "k", api_secret: "s" },
    });
    expect(loadConfig({ file, environment: {} }).trunks.map((trunk) => trunk.name)).toEqual(names);
  });

  test("xivo.yaml names endpoints that deploy/asterisk/trunks has", () => {
    const config = loadConfig({ file: "config.sample.yaml", environment: {}, newTokens });
    for (const trunk of config.trunks) {
      const endpoint = trunk.engine === "asterisk" ? trunk.asterisk.endpoint : "";
      expect(readFileSync(`deploy/asterisk/trunks/${endpoint}.conf`, "utf8")).toContain(`[${endpoint}]\ntype=endpoint`);
    }
  });
});
