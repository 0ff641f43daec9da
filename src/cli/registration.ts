import { randomBytes } from "node:crypto";
import { rename, stat, unlink, writeFile } from "node:fs/promises";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../errors.ts";
import { createNamespace } from "../matrix/appservice/namespace.ts";
import { createRegistration, registrationYaml } from "../matrix/appservice/registration.ts";
import { type Command, CONFIG_OPTION, configFileOf, expectPositionals, PROGRAM } from "./command.ts";

const TOKEN_BYTES = 32;

const newToken = (): string => randomBytes(TOKEN_BYTES).toString("hex");

/** What binds every address is reached at this machine's own. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
};

const registrationOf = (config: Config): string => {
  const { homeserver, appservice, bot } = config;
  const { host, port } = appservice.listen;
  return registrationYaml(
    createRegistration({
      namespace: createNamespace({ serverName: homeserver.serverName, botLocalpart: bot.localpart }),
      url: appservice.url ?? `http://${reachable(host)}:${port}`,
      asToken: homeserver.asToken,
      hsToken: homeserver.hsToken,
    }),
  );
};

const exists = async (file: string): Promise<boolean> => {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
};

/** Whole or not at all, and never readable by others in between. */
const writePrivately = async (file: string, text: string): Promise<void> => {
  const draft = `${file}.${process.pid}.new`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: "wx" });
    await rename(draft, file);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw new GatewayError("CONFIG_INVALID", `${file} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
};

export const registration: Command = {
  name: "registration",
  summary: "Write the registration that the homeserver needs, with new tokens",
  details:
    "Writes homeserver.registration_file (mode 0600). Without that key it prints a registration with the tokens of the\nconfiguration. The homeserver reads the file too: add it to app_service_config_files and restart it.",
  options: {
    ...CONFIG_OPTION,
    force: { type: "boolean", help: "replace the file that is there; the homeserver must be restarted then" },
  },
  run: async (input, io) => {
    expectPositionals(input, []);
    const newTokens = { asToken: newToken(), hsToken: newToken() };
    const config = loadConfig({ file: configFileOf(input), environment: io.environment, newTokens });
    const { registrationFile, asToken } = config.homeserver;
    if (registrationFile === undefined) {
      io.out(registrationOf(config).trimEnd());
      if (asToken === newTokens.asToken)
        io.err("The tokens are new: put them into the configuration (homeserver.as_token, homeserver.hs_token).");
      return 0;
    }
    if (input.values["force"] !== true && (await exists(registrationFile))) {
      io.err(`${registrationFile} is there already. ${PROGRAM} registration --force makes a new one, with new tokens.`);
      return 1;
    }
    await writePrivately(registrationFile, registrationOf(config));
    io.out(registrationFile);
    io.err(
      "Let the homeserver read it (its user is often another one), name it in app_service_config_files of homeserver.yaml,\nand restart the homeserver.",
    );
    return 0;
  },
};
