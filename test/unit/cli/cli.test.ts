import { describe, expect, test } from "@jest/globals";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { runCli } from "../../../src/cli/run.ts";
import { sampleConfig } from "../../../src/config/reference.ts";
import { type ConfigFolder, configFolder, minimal } from "../config/files.ts";

const cli = async (argv: readonly string[], environment: NodeJS.ProcessEnv = {}) => {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, { out: (text) => out.push(text), err: (text) => err.push(text), environment });
  return { code, out: out.join("\n"), err: err.join("\n") };
};

const withRegistrationFile = (folder: ConfigFolder): string => {
  const { url, server_name } = minimal().homeserver;
  return folder.write("config.yaml", {
    ...minimal(),
    homeserver: { url, server_name, registration_file: "registration.yaml" },
  });
};

describe("usage", () => {
  test.each([
    [[], 2, "Usage: mrtc-sip-gateway COMMAND"],
    [["frobnicate"], 2, "unknown command frobnicate"],
    [["config"], 2, "expected one of: config check, config sample, config reference"],
    [["call", "transfer"], 2, "expected one of: call add, call list, call hangup"],
    [["start", "--frobnicate"], 2, "--frobnicate"],
    [["start", "now"], 2, "unexpected argument now"],
    [["config", "check", "--config"], 2, "--config"],
    [["call", "hangup"], 2, "CALL is missing"],
    [["call", "add", "--room", "!a:b"], 2, "NUMBER is missing"],
    [["call", "add", "1001"], 2, "--room is missing"],
    [["call", "list", "--url", "nowhere"], 2, "--url nowhere is no address"],
    [["config", "check", "--config", "/nonexistent.yaml"], 1, "/nonexistent.yaml does not exist"],
  ])("%j ends with %d and says why on stderr", async (argv, code, words) => {
    const result = await cli(argv);
    expect(result.code).toBe(code);
    expect(result.err).toContain(words);
    expect(result.out).toBe("");
  });

  test.each([
    "start",
    "registration",
    "config check",
    "config sample",
    "config reference",
    "call add",
    "call list",
    "call hangup",
    "call export",
  ])("%s --help", async (name) => {
    const { code, out } = await cli([...name.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: mrtc-sip-gateway ${name}`);
    expect((await cli(["--help"])).out).toContain(`  ${name} `);
  });
});

describe("config", () => {
  test("check shows what is in force without secrets, and what is missing to make calls", async () => {
    using folder = configFolder();
    const file = folder.write("config.yaml", minimal());
    const { code, out, err } = await cli(["config", "check", "--config", file]);
    expect(code).toBe(0);
    expect(parse(out)).toMatchObject({ homeserver: { as_token: "(set)" }, limits: { calls: 10 } });
    expect(out).not.toContain("as-token-of-the-test");
    expect(err).toContain("there is no trunk");
    expect(err).toContain("nobody may call any number");
  });

  test("check takes the environment into account", async () => {
    using folder = configFolder();
    const file = folder.write("config.yaml", minimal());
    const { out } = await cli(["config", "check", "--config", file], { MRTC_SIP_GATEWAY__LIMITS__CALLS: "77" });
    expect(parse(out)).toMatchObject({ limits: { calls: 77 } });
  });

  test("check of a wrong one names every error and ends with 1", async () => {
    using folder = configFolder();
    const file = folder.write("config.yaml", { ...minimal(), limits: { calls: 0 }, polcy: {} });
    const { code, out, err } = await cli(["config", "check", "--config", file]);
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(err).toContain("limits.calls");
    expect(err).toContain("polcy");
    expect(err).not.toContain("    at ");
  });

  test("sample is the sample", async () => {
    expect(`${(await cli(["config", "sample"])).out}\n`).toBe(sampleConfig());
  });
});

describe("registration", () => {
  test("is written for its owner only, and the gateway then reads its tokens from it", async () => {
    using folder = configFolder();
    const file = withRegistrationFile(folder);
    expect((await cli(["config", "check", "--config", file])).err).toContain("mrtc-sip-gateway registration");
    const { code, out } = await cli(["registration", "--config", file]);
    expect(code).toBe(0);
    expect(out).toBe(join(folder.path, "registration.yaml"));
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const written = parse(readFileSync(out, "utf8")) as Record<string, unknown>;
    expect(written["as_token"]).toMatch(/^[0-9a-f]{64}$/);
    expect(written["hs_token"]).not.toBe(written["as_token"]);
    expect(written).toMatchObject({ url: "http://127.0.0.1:9300", "io.element.msc4190": true });
    expect((await cli(["config", "check", "--config", file])).code).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(["config.yaml", "registration.yaml"]);
  });

  test("is not overwritten, unless asked to", async () => {
    using folder = configFolder();
    const file = withRegistrationFile(folder);
    const written = folder.write("registration.yaml", "precious");
    const refused = await cli(["registration", "--config", file]);
    expect([refused.code, readFileSync(written, "utf8")]).toEqual([1, "precious"]);
    expect(refused.err).toContain("--force");
    expect((await cli(["registration", "--config", file, "--force"])).code).toBe(0);
    expect(parse(readFileSync(written, "utf8"))).toHaveProperty("as_token");
    expect(statSync(written).mode & 0o777).toBe(0o600);
  });

  test("names where the homeserver reaches the gateway, and its bot", async () => {
    using folder = configFolder();
    const change = { appservice: { url: "http://gateway.internal:9300/" }, bot: { localpart: "telefon" } };
    const file = folder.write("config.yaml", { ...minimal(), ...change });
    const { out } = await cli(["registration", "--config", file]);
    expect(parse(out)).toMatchObject({ url: "http://gateway.internal:9300", as_token: "as-token-of-the-test" });
    expect(out).toContain("@telefon:example");
  });

  test("without a file or tokens prints new ones", async () => {
    using folder = configFolder();
    const { url, server_name } = minimal().homeserver;
    const file = folder.write("config.yaml", { ...minimal(), homeserver: { url, server_name } });
    const { code, out, err } = await cli(["registration", "--config", file]);
    expect(code).toBe(0);
    expect(parse(out)).toHaveProperty("hs_token");
    expect(err).toContain("put them into the configuration");
  });

  test("a folder that is not there is an error, and leaves nothing behind", async () => {
    using folder = configFolder();
    const { url, server_name } = minimal().homeserver;
    const homeserver = { url, server_name, registration_file: "missing/registration.yaml" };
    const { code, err } = await cli([
      "registration",
      "--config",
      folder.write("config.yaml", { ...minimal(), homeserver }),
    ]);
    expect(code).toBe(1);
    expect(err).toContain("cannot be written");
    expect(existsSync(join(folder.path, "missing"))).toBe(false);
  });

  test("a wrong configuration is told before anything is written", async () => {
    using folder = configFolder();
    const file = withRegistrationFile(folder);
    writeFileSync(file, `${readFileSync(file, "utf8")}\nlimits: {calls: 0}\n`);
    expect((await cli(["registration", "--config", file])).err).toContain("limits.calls");
    expect(readdirSync(folder.path)).toEqual(["config.yaml"]);
  });
});
