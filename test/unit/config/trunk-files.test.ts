import { describe, expect, test } from "@jest/globals";
import { join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import { asteriskSection, asteriskTrunk, type ConfigFolder, configFolder, minimal, refusal } from "./files.ts";

const second = () => ({ ...asteriskTrunk(), name: "second" });

const loadWith = (folder: ConfigFolder, trunks: readonly object[]) =>
  loadConfig({
    file: folder.write("config.yaml", { ...minimal(), trunks, asterisk: asteriskSection() }),
    environment: {},
  });

const names = (folder: ConfigFolder, trunks: readonly object[]): string[] =>
  loadWith(folder, trunks).trunks.map((trunk) => trunk.name);

describe("trunk files", () => {
  test("stand in the list where their entry stands", () => {
    using folder = configFolder();
    folder.write("sip-trunks/a.yaml", { trunks: [asteriskTrunk(), second()] });
    const last = { ...asteriskTrunk(), name: "last" };
    expect(names(folder, [{ file: "sip-trunks/a.yaml" }, last])).toEqual(["xivo", "second", "last"]);
    expect(names(folder, [{ file: "sip-trunks/a.yaml", use: ["second"] }, last])).toEqual(["second", "last"]);
  });

  test("an error in one names that file and its line", () => {
    using folder = configFolder();
    folder.write("a.yaml", "trunks:\n  - name: xivo\n    engine: asterisk\n    routes: []\n");
    const message = refusal(() => loadWith(folder, [second(), { file: "a.yaml" }]));
    expect(message).toContain(`${join(folder.path, "a.yaml")}:4: trunks[1].routes: expected at least one route`);
    expect(message).toContain(`${join(folder.path, "a.yaml")}:2: trunks[1].asterisk: missing`);
  });

  test("secret files of one start from its own folder", () => {
    using folder = configFolder();
    folder.write("sip-trunks/secret", "sip-pass\n");
    folder.write("sip-trunks/a.yaml", {
      trunks: [
        {
          name: "lk",
          engine: "livekit-sip",
          livekit_sip: { address: "pbx", numbers: ["1001"], auth_username: "u", auth_password_file: "secret" },
          routes: [{ class: "internal" }],
          caller_id: { default: "1001" },
        },
      ],
    });
    const livekit = { url: "http://127.0.0.1:7880", api_key: "k", api_secret: "s" };
    const file = folder.write("config.yaml", {
      ...minimal(),
      trunks: [{ file: "sip-trunks/a.yaml" }],
      livekit_sip: livekit,
    });
    const trunk = loadConfig({ file, environment: {} }).trunks[0];
    expect(trunk?.engine === "livekit-sip" && trunk.livekitSip.authPassword).toBe("sip-pass");
  });

  test.each([
    ["a file that is not there", { file: "no.yaml" }, "trunks[0].file: ", "does not exist"],
    ["a trunk that is not in it", { file: "a.yaml", use: ["xiwo"] }, "trunks[0].use[0]: ", "did you mean xivo?"],
    ["another key beside it", { file: "a.yaml", name: "x" }, "trunks[0].name: ", "unknown key"],
    ["a file that is something else", { file: "b.yaml" }, "trunks[0].file: ", "expected one key"],
  ])("%s is refused", (_, entry, path, words) => {
    using folder = configFolder();
    folder.write("a.yaml", { trunks: [asteriskTrunk()] });
    folder.write("b.yaml", asteriskTrunk());
    const message = refusal(() => loadWith(folder, [entry]));
    expect(message).toContain(path);
    expect(message).toContain(words);
    expect(message).toContain("config.yaml:");
  });
});

describe("registration file", () => {
  const withRegistration = (folder: ConfigFolder) => {
    const { url, server_name } = minimal().homeserver;
    return folder.write("config.yaml", {
      ...minimal(),
      homeserver: { url, server_name, registration_file: "registration.yaml" },
    });
  };

  test("gives both tokens", () => {
    using folder = configFolder();
    folder.write("registration.yaml", { id: "x", as_token: "a1", hs_token: "h1", url: "http://x" });
    const { homeserver } = loadConfig({ file: withRegistration(folder), environment: {} });
    expect(homeserver).toMatchObject({ asToken: "a1", hsToken: "h1" });
    expect(homeserver.registrationFile).toBe(join(folder.path, "registration.yaml"));
  });

  test("missing: says how to make it", () => {
    using folder = configFolder();
    const message = refusal(() => loadConfig({ file: withRegistration(folder), environment: {} }));
    expect(message).toContain("one error");
    expect(message).toMatch(
      /homeserver\.registration_file: .* does not exist; write it with `mrtc-sip-gateway registration`/,
    );
  });

  test("without tokens in it, or beside given ones: refused", () => {
    using folder = configFolder();
    folder.write("registration.yaml", { id: "x" });
    const file = withRegistration(folder);
    expect(refusal(() => loadConfig({ file, environment: {} }))).toContain("expected as_token and hs_token in");
    const environment = { MRTC_SIP_GATEWAY__HOMESERVER__AS_TOKEN: "a" };
    expect(refusal(() => loadConfig({ file, environment }))).toContain("expected either registration_file or as_token");
  });

  test("to be written: new tokens take its place", () => {
    using folder = configFolder();
    const newTokens = { asToken: "new-a", hsToken: "new-h" };
    const config = loadConfig({ file: withRegistration(folder), environment: {}, newTokens });
    expect(config.homeserver).toMatchObject(newTokens);
  });
});
