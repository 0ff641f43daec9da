import { describe, expect, test } from "@jest/globals";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import { GatewayError } from "../../../src/errors.ts";
import { asteriskSection, asteriskTrunk, configFolder, load, minimal, refusal } from "./files.ts";

describe("values", () => {
  test("the least configuration gets all defaults, on loopback, with nothing permitted", () => {
    const config = load(minimal());
    expect(config.appservice.listen).toEqual({ host: "127.0.0.1", port: 9300 });
    expect(config.api).toEqual({ listen: { host: "127.0.0.1", port: 9301 }, tokens: [] });
    expect(config.policy).toEqual({ rules: [], attemptsPerMinute: 6 });
    expect(config.limits).toEqual({
      callsPerUser: 2,
      calls: 10,
      inboundCalls: 60,
      maxCallDuration: { ms: 4 * 3_600_000 },
    });
    expect(config.calls).toEqual({
      ringTimeout: { ms: 60_000 },
      forwardAfter: { ms: 20_000 },
      aloneTimeout: { ms: 60_000 },
      waitingTimeout: { ms: 600_000 },
      confirm: "none",
    });
    expect(config.trunks).toEqual([]);
    expect(config).not.toHaveProperty("asterisk");
    expect(config.logging).toEqual({ level: "info", showNumbers: false });
  });

  test("keys become camelCase, but ids of users stay as they are", () => {
    const trunk = {
      ...asteriskTrunk(),
      caller_id: { default: "anonymous", users: { "@alice_b:example.org": "1001" } },
    };
    const config = load({ ...minimal(), trunks: [trunk], asterisk: asteriskSection() });
    expect(config.trunks[0]?.callerId).toEqual({ default: "anonymous", users: { "@alice_b:example.org": "1001" } });
    expect(config.asterisk?.allowInsecure).toBe(false);
  });

  test("it cannot be changed", () => {
    const config = load(minimal());
    expect(() => {
      (config.limits as { calls: number }).calls = 1000;
    }).toThrow(TypeError);
  });

  test.each([
    ["1s", 1000],
    ["1500ms", 1500],
    ["10m", 600_000],
    ["1h", 3_600_000],
  ])("a time of %s is %d ms", (text, ms) => {
    expect(load({ ...minimal(), calls: { alone_timeout: text } }).calls.aloneTimeout).toEqual({ ms });
  });

  test("a section whose keys are all commented out counts as not there", () => {
    const config = load({ ...minimal(), limits: null, store: { path: null } });
    expect(config.limits.calls).toBe(10);
    expect(config.store.path).toMatch(/mrtc-sip-gateway\.db$/);
  });

  test("file names start from the folder of the configuration", () => {
    using folder = configFolder();
    const file = folder.write("config.yaml", { ...minimal(), crypto: { key_file: "keys/seal.key" } });
    const config = loadConfig({ file, environment: {} });
    expect(config.crypto.keyFile).toBe(join(folder.path, "keys/seal.key"));
    expect(config.store.path).toBe(join(folder.path, "mrtc-sip-gateway.db"));
  });

  test("a slash at the end of an address is dropped, except where clients compare it letter by letter", () => {
    const rtc = { transport_url: "https://rtc.example.org/livekit/jwt/" };
    const config = load({ ...minimal(), homeserver: { ...minimal().homeserver, url: "https://hs.example.org/" }, rtc });
    expect(config.homeserver.url).toBe("https://hs.example.org");
    expect(config.rtc.transportUrl).toBe("https://rtc.example.org/livekit/jwt/");
  });
});

const SECRET = "do-not-show-this-secret";

/** What is written, where the error must point, what it must say. */
const refused: readonly [name: string, change: object, path: string, words: string][] = [
  ["no address", { homeserver: { ...minimal().homeserver, url: undefined } }, "homeserver.url", "missing"],
  ["a foreign protocol", { homeserver: { ...minimal().homeserver, url: "ftp://x" } }, "homeserver.url", "http://"],
  [
    "no token",
    { homeserver: { ...minimal().homeserver, as_token: undefined } },
    "homeserver.as_token",
    "as_token_file",
  ],
  [
    "a misspelt key",
    { homeserver: { ...minimal().homeserver, server_nam: "x" } },
    "homeserver.server_nam",
    "did you mean server_name?",
  ],
  ["a misspelt section", { polcy: {} }, "polcy", "did you mean policy?"],
  ["a key of nowhere", { limits: { zzzzzz: 1 } }, "limits.zzzzzz", "unknown key"],
  [
    "a password in an address",
    { rtc: { transport_url: "https://u:p@rtc.example.org" } },
    "rtc.transport_url",
    "password",
  ],
  ["a country that is none", { numbering: { country: "XX" } }, "numbering.country", 'got "XX"'],
  [
    "a broken extension pattern",
    { numbering: { country: "FR", extensions: ["1XX["] } },
    "numbering.extensions[0]",
    "1XXX",
  ],
  ["a port that is none", { api: { listen: { port: 70_000 } } }, "api.listen.port", "from 0 to 65535, got 70000"],
  ["a time without unit", { calls: { ring_timeout: 60 } }, "calls.ring_timeout", "with its unit"],
  ["too long a call", { limits: { max_call_duration: "48h" } }, "limits.max_call_duration", "between 1m and 24h"],
  ["a limit of zero", { limits: { calls: 0 } }, "limits.calls", "from 1 to 10000, got 0"],
  ["a list that is none", { policy: { rules: "all" } }, "policy.rules", "expected a list"],
  ["a rule for nobody", { policy: { rules: [{ classes: ["national"] }] } }, "policy.rules[0]", "for nobody"],
  ["a rule that allows nothing", { policy: { rules: [{ users: ["@a:b"] }] } }, "policy.rules[0].classes", "missing"],
  [
    "a class that is none",
    { policy: { rules: [{ users: ["@a:b"], classes: ["nationl"] }] } },
    "policy.rules[0].classes[0]",
    "national",
  ],
  [
    "a user without @",
    { policy: { rules: [{ users: ["alice"], classes: ["national"] }] } },
    "policy.rules[0].users",
    "begin with @",
  ],
  [
    "a token nobody has",
    { policy: { rules: [{ tokens: ["crm"], classes: ["national"] }] } },
    "policy.rules[0].tokens[0]",
    "api.tokens",
  ],
  ["a short API token", { api: { tokens: [{ name: "crm", token: "short" }] } }, "api.tokens[0].token", "at least 16"],
  ["two listeners on one port", { api: { listen: { port: 9300 } } }, "api.listen.port", "appservice.listen"],
  [
    "an engine that is none",
    { trunks: [{ ...asteriskTrunk(), engine: "freeswitch" }] },
    "trunks[0].engine",
    "asterisk, livekit-sip",
  ],
  [
    "keys of the other engine",
    { trunks: [{ ...asteriskTrunk(), livekit_sip: {} }], asterisk: asteriskSection() },
    "trunks[0].livekit_sip",
    "unknown key",
  ],
  ["an engine without its section", { trunks: [asteriskTrunk()] }, "trunks[0].engine", "expected a section asterisk"],
  [
    "two trunks of one name",
    { trunks: [asteriskTrunk(), asteriskTrunk()], asterisk: asteriskSection() },
    "trunks[1].name",
    "xivo is taken",
  ],
  [
    "a route with both",
    { trunks: [{ ...asteriskTrunk(), routes: [{ class: "national", prefix: "+33" }] }] },
    "trunks[0].routes[0]",
    "either class or prefix",
  ],
  [
    "a trunk without routes",
    { trunks: [{ ...asteriskTrunk(), routes: [] }] },
    "trunks[0].routes",
    "at least one route",
  ],
  [
    "a dial format that is none",
    { trunks: [{ ...asteriskTrunk(), dial_format: "e146" }] },
    "trunks[0].dial_format",
    "without-plus",
  ],
  [
    "a caller id that is a number",
    { trunks: [{ ...asteriskTrunk(), caller_id: { default: 33140506000 } }] },
    "trunks[0].caller_id.default",
    "in quotes",
  ],
  [
    "a caller id for nobody",
    { trunks: [{ ...asteriskTrunk(), caller_id: { default: "1001", users: { alice: "1001" } } }] },
    "trunks[0].caller_id.users.alice",
    "a Matrix user",
  ],
  [
    "a clear-text Asterisk elsewhere",
    { asterisk: { ...asteriskSection(), url: "http://192.0.2.1:8088/ari" } },
    "asterisk.url",
    "allow_insecure",
  ],
  ["an app name that breaks ids", { asterisk: { ...asteriskSection(), app: "a b" } }, "asterisk.app", "letters"],
  [
    "a secret that is a number",
    { asterisk: { ...asteriskSection(), password: 12_345_678 } },
    "asterisk.password",
    "not shown",
  ],
  [
    "half a login",
    {
      trunks: [
        {
          name: "a",
          engine: "livekit-sip",
          livekit_sip: { address: "pbx", numbers: ["1"], auth_username: "u" },
          routes: [{ prefix: "1" }],
          caller_id: { default: "1" },
        },
      ],
    },
    "trunks[0].livekit_sip",
    "both auth_username and auth_password",
  ],
  ["a level that is none", { logging: { level: "trace" } }, "logging.level", "debug, info, warn, error"],
  ["a flag that is a word", { logging: { show_numbers: "yes" } }, "logging.show_numbers", "true or false"],
];

describe("errors", () => {
  test.each(refused)("%s: names the key and what was expected", (_, change, path, words) => {
    const message = refusal(() => load({ ...minimal(), ...change }));
    const line = message.split("\n").find((text) => text.includes(` ${path}: `));
    expect(line).toBeDefined();
    expect(line).toContain(words);
    expect(line).toMatch(/config\.yaml(:\d+)?: /);
  });

  test("all of them at once, each with its line, as a CONFIG_INVALID", () => {
    const yaml =
      "homeserver:\n  url: ftp://x\n  server_name: example.org\n  as_token: a\n  hs_token: b\nnumbering:\n  country: france\nlimits: {calls: 0}\n";
    const message = refusal(() => load(yaml));
    expect(message).toContain("3 errors");
    expect(message).toMatch(/config\.yaml:2: homeserver\.url/);
    expect(message).toMatch(/config\.yaml:7: numbering\.country/);
    expect(message).toMatch(/config\.yaml:8: limits\.calls/);
    expect(() => load(yaml)).toThrow(GatewayError);
  });

  test.each([
    ["as a wrong type", { asterisk: { ...asteriskSection(), password: [SECRET] } }],
    ["under a misspelt key", { asterisk: { ...asteriskSection(), pasword: SECRET } }],
    ["twice", { asterisk: { ...asteriskSection(), password: SECRET, password_file: "x" } }],
    ["as a short API token", { api: { tokens: [{ name: "crm", token: SECRET.slice(0, 12) }] } }],
  ])("a secret given %s does not appear", (_, change) => {
    expect(refusal(() => load({ ...minimal(), ...change }))).not.toContain(SECRET.slice(0, 12));
  });

  test("broken YAML is named with its line and without its content", () => {
    const message = refusal(() => load(`homeserver:\n  as_token: "${SECRET}\n  hs_token: x\n`));
    expect(message).toMatch(/config\.yaml:\d+: not YAML/);
    expect(message).not.toContain(SECRET);
  });

  test("the same key twice is an error, not a surprise", () => {
    expect(refusal(() => load("limits: {calls: 1}\nlimits: {calls: 2}\n"))).toMatch(/:2: not YAML: .*unique/);
  });

  test.each([["just words"], ["- a\n- list\n"]])("a file that is no mapping is refused: %j", (yaml) => {
    expect(refusal(() => load(yaml))).toContain("expected sections such as homeserver:");
  });

  test("a file that is not there is named", () => {
    expect(refusal(() => loadConfig({ file: "/nonexistent/config.yaml", environment: {} }))).toBe(
      "/nonexistent/config.yaml does not exist",
    );
  });
});

describe("environment", () => {
  const env = (name: string, value: string) => ({ [`MRTC_SIP_GATEWAY__${name}`]: value });

  test("wins over the file, for strings, numbers, flags and lists", () => {
    const config = load(
      { ...minimal(), limits: { calls: 3 } },
      {
        ...env("LIMITS__CALLS", "20"),
        ...env("HOMESERVER__AS_TOKEN", "0123456789"),
        ...env("LOGGING__SHOW_NUMBERS", "true"),
        ...env("NUMBERING__EXTENSIONS", '["1XXX", "2XX"]'),
        ...env("CALLS__RING_TIMEOUT", "30s"),
        OTHER__LIMITS__CALLS: "1",
      },
    );
    expect(config.limits.calls).toBe(20);
    expect(config.homeserver.asToken).toBe("0123456789");
    expect(config.logging.showNumbers).toBe(true);
    expect(config.numbering.extensions).toEqual(["1XXX", "2XX"]);
    expect(config.calls.ringTimeout).toEqual({ ms: 30_000 });
  });

  test("reaches items of lists by number, and makes sections that the file lacks", () => {
    const config = load(minimal(), {
      ...env("API__TOKENS__0__NAME", "crm"),
      ...env("API__TOKENS__0__TOKEN", "0123456789abcdef"),
    });
    expect(config.api.tokens).toEqual([{ name: "crm", token: "0123456789abcdef" }]);
  });

  test("an empty variable counts as not set", () => {
    expect(load(minimal(), env("LIMITS__CALLS", "")).limits.calls).toBe(10);
  });

  test.each([
    [
      "HOMESERVER__SERVER_NAM",
      "x",
      "MRTC_SIP_GATEWAY__HOMESERVER__SERVER_NAM: unknown key server_nam; did you mean server_name?",
    ],
    ["API__TOKENS__FIRST__NAME", "x", "expected a number for the item of the list, got first"],
    [
      "LIMITS__CALLS",
      "many",
      'MRTC_SIP_GATEWAY__LIMITS__CALLS: limits.calls: expected a whole number from 1 to 10000, got "many"',
    ],
  ])("%s=%s is refused by the variable's name", (name, value, words) => {
    expect(refusal(() => load(minimal(), env(name, value)))).toContain(words);
  });

  test("a secret of the environment replaces the file's, also when that is a file name", () => {
    using folder = configFolder();
    const secretFile = folder.write("ari", "from-a-file\n");
    const asterisk = { ...asteriskSection(), password: undefined, password_file: "not-there" };
    const file = folder.write("config.yaml", { ...minimal(), asterisk });
    const password = (environment: NodeJS.ProcessEnv) => loadConfig({ file, environment }).asterisk?.password;
    expect(password(env("ASTERISK__PASSWORD", "from-env"))).toBe("from-env");
    expect(password(env("ASTERISK__PASSWORD_FILE", secretFile))).toBe("from-a-file");
  });
});

describe("secret files", () => {
  test("are read beside the file that names them, without their line end", () => {
    using folder = configFolder();
    folder.write("secrets/as", "as-from-file\n");
    const homeserver = { ...minimal().homeserver, as_token: undefined, as_token_file: "secrets/as" };
    const config = loadConfig({ file: folder.write("config.yaml", { ...minimal(), homeserver }), environment: {} });
    expect(config.homeserver.asToken).toBe("as-from-file");
  });

  test.each([
    ["missing", () => undefined, "does not exist"],
    ["empty", (folder: string) => chmodSync(folder, 0o700), "is empty"],
    ["a folder", (folder: string) => mkdirSync(join(folder, "folder")), "EISDIR"],
  ] as const)("%s is one error, not two", (kind, prepare, words) => {
    using folder = configFolder();
    prepare(folder.path);
    if (kind === "empty") folder.write("empty", "\n");
    const name = kind === "a folder" ? "folder" : kind;
    const homeserver = { ...minimal().homeserver, as_token: undefined, as_token_file: name };
    const message = refusal(() =>
      loadConfig({ file: folder.write("config.yaml", { ...minimal(), homeserver }), environment: {} }),
    );
    expect(message).toContain("one error");
    expect(message).toContain("homeserver.as_token_file: ");
    expect(message).toContain(words);
  });
});
