/** Configuration files of a test, in a folder that is removed behind it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";

export interface ConfigFolder extends Disposable {
  readonly path: string;
  write(name: string, content: string | object): string;
}

export const configFolder = (): ConfigFolder => {
  const path = mkdtempSync(join(tmpdir(), "mrtc-config-"));
  return {
    path,
    write: (name, content) => {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === "string" ? content : stringify(content));
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
};

/** The least that a configuration needs. */
export const minimal = () => ({
  homeserver: {
    url: "http://127.0.0.1:8008",
    server_name: "example.org",
    as_token: "as-token-of-the-test",
    hs_token: "hs-token-of-the-test",
  },
  numbering: { country: "FR" },
});

export const asteriskTrunk = () => ({
  name: "xivo",
  engine: "asterisk",
  asterisk: { endpoint: "xivo" },
  routes: [{ class: "national" }],
  caller_id: { default: "+33140506000" },
});

export const asteriskSection = () => ({ url: "http://127.0.0.1:8088/ari", username: "gateway", password: "ari-pass" });

/** Loads `content` as config.yaml, with nothing of this machine's environment. */
export const load = (content: object | string, environment: NodeJS.ProcessEnv = {}): Config => {
  using folder = configFolder();
  return loadConfig({ file: folder.write("config.yaml", content), environment });
};

/** The message of what `run` throws; fails when it throws nothing. */
export const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  throw new Error("expected the configuration to be refused");
};
