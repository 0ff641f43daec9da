import { loadConfig } from "../config/load.ts";
import { configReference as referenceText, sampleConfig } from "../config/reference.ts";
import { configSummary } from "../config/summary.ts";
import { type Command, CONFIG_OPTION, configFileOf, expectPositionals } from "./command.ts";

export const configCheck: Command = {
  name: "config check",
  summary: "Check the configuration and show what is in force, secrets masked",
  options: CONFIG_OPTION,
  run: async (input, io) => {
    expectPositionals(input, []);
    const file = configFileOf(input);
    const config = loadConfig({ file, environment: io.environment });
    io.out(configSummary(config).trimEnd());
    const rules = config.policy.rules.length;
    if (config.trunks.length === 0) io.err("Note: there is no trunk, so no phone can be called.");
    if (rules === 0) io.err("Note: policy.rules is empty, so nobody may call any number.");
    io.err(`${file} is valid.`);
    return 0;
  },
};

export const configSample: Command = {
  name: "config sample",
  summary: "Print a configuration with every key",
  options: {},
  run: async (input, io) => {
    expectPositionals(input, []);
    io.out(sampleConfig().trimEnd());
    return 0;
  },
};

export const configReference: Command = {
  name: "config reference",
  summary: "Print what every key means, as Markdown",
  options: {},
  run: async (input, io) => {
    expectPositionals(input, []);
    io.out(referenceText().trimEnd());
    return 0;
  },
};
