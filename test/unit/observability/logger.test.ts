import { describe, expect, test } from "@jest/globals";
import { GatewayError } from "../../../src/errors.ts";
import { createLogger, type LoggerOptions } from "../../../src/observability/logger.ts";
import { prettyLine } from "../../../src/observability/pretty.ts";

const logging = (options: Partial<LoggerOptions> = {}) => {
  const lines: string[] = [];
  const log = createLogger({ level: "debug", ...options, write: (line) => lines.push(line) });
  const last = (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown>;
  return { log, lines, last, text: () => lines.join("") };
};

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ2aWRlbyI6e319.c2lnbmF0dXJl";

describe("lines", () => {
  test("are JSON with time, level, message and fields; a child adds its own", () => {
    const { log, last } = logging();
    log.child({ callId: "c1" }).warn({ state: "active", afterMs: 12 }, "it took long");
    expect(last()).toMatchObject({ level: "warn", msg: "it took long", callId: "c1", state: "active", afterMs: 12 });
    expect(last()["time"]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(Object.keys(last()).sort()).toEqual(["afterMs", "callId", "level", "msg", "state", "time"]);
  });

  test("below the level are not written", () => {
    const { log, lines } = logging({ level: "warn" });
    log.debug({}, "a");
    log.info({}, "b");
    log.warn({}, "c");
    log.error({}, "d");
    expect(lines).toHaveLength(2);
  });

  test("an error shows its message, code and cause", () => {
    const { log, last } = logging();
    const cause = new TypeError("fetch failed");
    log.error({ error: new GatewayError("SFU_REFUSED", "The SFU said no", { cause }) }, "join failed");
    expect(last()["error"]).toMatchObject({
      type: "GatewayError",
      code: "SFU_REFUSED",
      message: "The SFU said no",
      cause: { type: "TypeError", message: "fetch failed" },
    });
  });

  test("at a terminal they are readable", () => {
    const line = '{"level":"info","time":"2026-11-21T10:45:00.123Z","callId":"c1","text":"a b","msg":"ready"}\n';
    // eslint-disable-next-line no-control-regex
    expect(prettyLine(line).replaceAll(/\u001B\[\d+m/g, "")).toBe('10:45:00.123 INFO  ready callId=c1 text="a b"\n');
    expect(prettyLine("not json\n")).toBe("not json\n");
  });
});

/** How each kind of secret could reach a line. */
const leaks: readonly [string, Record<string, unknown>, string, string][] = [
  ["a token in a field", { accessToken: "hunter22-token" }, "x", "hunter22-token"],
  ["a field in snake_case", { as_token: "hunter22-token" }, "x", "hunter22-token"],
  ["deep in an object", { options: { asterisk: { password: "hunter22-pass" } } }, "x", "hunter22-pass"],
  ["in a list", { trunks: [{ authPassword: "hunter22-pass" }] }, "x", "hunter22-pass"],
  ["an authorization header", { headers: { Authorization: "Bearer hunter22" } }, "x", "hunter22"],
  ["a media key in bytes", { material: new Uint8Array([104, 117, 110, 116]) }, "x", "104"],
  ["a media key in base64", { mediaKey: "aHVudGVyMjI=" }, "x", "aHVudGVyMjI="],
  ["a key that is called just that", { key: "aHVudGVyMjI=", index: 3 }, "x", "aHVudGVyMjI="],
  ["a PIN", { pin: "271828" }, "x", "271828"],
  ["a pressed key", { dtmf: "7" }, "x", '"7"'],
  ["a JSON web token in words", {}, `SFU refused ${JWT}`, JWT],
  ["a JSON web token in a URL", { url: `wss://sfu/rtc?auto=1&x=${JWT}` }, "x", JWT],
  ["an access token in a URL", { path: "/sync?access_token=hunter22&x=1" }, "x", "hunter22"],
  ["an access token of Synapse", {}, "logged in with syt_YWxpY2U_abcdefgh_123", "syt_YWxpY2U_abcdefgh_123"],
  ["a bearer token in words", {}, "sent Authorization: Bearer hunter22-abc.def", "hunter22-abc.def"],
  ["a basic login in words", {}, "sent Basic Z2F0ZXdheTpodW50ZXIyMg==", "Z2F0ZXdheTpodW50ZXIyMg=="],
  ["a password in an address", {}, "connecting to ws://gateway:hunter22@127.0.0.1:8088/ari", "hunter22"],
  ["an assignment in words", {}, 'answer was {"password": "hunter22"}', "hunter22"],
  ["in an error", { error: new Error("401 for ?access_token=hunter22") }, "x", "hunter22"],
  ["in the cause of an error", { error: new Error("x", { cause: { apiSecret: "hunter22" } }) }, "x", "hunter22"],
  ["in a map", { options: new Map([["password", "hunter22"]]) }, "x", "hunter22"],
  ["a configured secret in words", {}, "the homeserver quoted C0nfigured-Secret back", "C0nfigured-Secret"],
  ["a configured secret in a harmless field", { answer: "echo C0nfigured-Secret" }, "x", "C0nfigured-Secret"],
];

describe("secrets", () => {
  test.each(leaks)("never appear: %s", (_, fields, message, secret) => {
    const { log, text } = logging({ secrets: ["C0nfigured-Secret", "abc"] });
    log.info(fields, message);
    log.child(fields).info({}, message);
    expect(text()).not.toContain(secret);
    expect(text()).toMatch(/redacted|bytes\]/);
  });

  test("what only looks like one stays", () => {
    const { log, last } = logging({ secrets: ["abc"] });
    log.info({ errcode: "M_UNKNOWN_TOKEN", keyIndex: 3, tokenName: "crm", password: undefined, ping: 1 }, "abc");
    expect(last()).toMatchObject({ errcode: "M_UNKNOWN_TOKEN", keyIndex: 3, tokenName: "crm", ping: 1, msg: "abc" });
  });

  test("an object in a circle ends the line, not the process", () => {
    const { log, last } = logging();
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    log.info({ circle }, "x");
    expect(JSON.stringify(last())).toContain("[too deep]");
  });
});

describe("phone numbers", () => {
  const full = ["+33140506070", "%2B33140506070", "0140506070", "0033140506070"];

  test.each(full)("%s is masked in fields, messages and user ids", (number) => {
    const { log, text } = logging();
    log.info({ ghost: `@tel_${number}:example.org` }, `dialling ${number}`);
    expect(text()).not.toContain(number);
    expect(text()).toMatch(/\d{2}\*+70/);
  });

  test.each(full)("%s is shown when the administrator asks", (number) => {
    const { log, text } = logging({ showNumbers: true });
    log.info({}, `dialling ${number}`);
    expect(text()).toContain(number);
  });

  test("other digits stay: times, ids, ports, extensions", () => {
    const { log, last } = logging();
    const words =
      "1763721900123 took 0.123456789 s on 127.0.0.1:10001, call 1001, 550e8400-e29b-41d4-a716-044665544000";
    log.info({ atMs: 1_763_721_900_123 }, words);
    expect(last()).toMatchObject({ msg: words, atMs: 1_763_721_900_123 });
  });
});
