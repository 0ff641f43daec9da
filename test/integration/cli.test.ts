import { describe, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { runCli } from "../../src/cli/run.ts";
import { startApi, TOKENS } from "./http-support.ts";

const run = async (argv: readonly string[], environment: NodeJS.ProcessEnv) => {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, { out: (text) => out.push(text), err: (text) => err.push(text), environment });
  return { code, out: out.join("\n"), err: err.join("\n") };
};

describe("call", () => {
  test("adds, lists and hangs up through the API", async () => {
    await using api = await startApi();
    const environment = { MRTC_SIP_GATEWAY_API_TOKEN: TOKENS[0]?.token };
    const call = (...argv: string[]) => run(["call", ...argv, "--url", api.listener.url], environment);
    expect(await call("add", "--room", "!room:example.org", "+33140506070")).toMatchObject({
      code: 0,
      out: "call-1 alerting",
    });
    const list = await call("list", "--room", "!room:example.org");
    expect(list.out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["CALL", "NUMBER", "STATE", "SINCE", "ROOM"],
      ["call-1", "+33140506070", "alerting", "2026-11-21T10:45:00.000Z", "!room:example.org"],
    ]);
    expect((await call("hangup", "call-1")).out).toBe("call-1 ended (cancelled)");
    expect(JSON.parse((await call("list", "--json")).out)).toMatchObject([{ call_id: "call-1", state: "ended" }]);
  });

  test("exports call records as CSV and as JSON lines", async () => {
    await using api = await startApi();
    const environment = { MRTC_SIP_GATEWAY_API_TOKEN: TOKENS[0]?.token };
    const call = (...argv: string[]) => run(["call", ...argv, "--url", api.listener.url], environment);
    await call("add", "--room", "!room:example.org", "+33140506070");
    await call("hangup", "call-1");
    expect((await call("export")).out.split("\n")).toEqual([
      "call_id,created_at,answered_at,ended_at,duration_s,direction,number,number_class,person,room_id,added_by,outcome,sip_status,q850,forwarded_to,forwarded_from",
      "call-1,2026-11-21T10:45:00.000Z,,2026-11-21T10:45:05.000Z,,outbound,+33140506070,national,,!room:example.org,crm,cancelled,487,,,",
    ]);
    const [line, ...more] = (await call("export", "--format", "jsonl", "--since", "2026-01-01T00:00:00Z")).out.split(
      "\n",
    );
    expect(JSON.parse(line ?? "")).toMatchObject({ call_id: "call-1", outcome: "cancelled" });
    expect(more).toEqual([]);
    expect((await call("export", "--format", "xml")).err).toContain("expected csv or jsonl");
    expect((await call("export", "--since", "yesterday")).err).toContain("(BAD_REQUEST)");
  });

  test("a refusal is told with its code", async () => {
    await using api = await startApi();
    const environment = { MRTC_SIP_GATEWAY_API_TOKEN: "wrong" };
    const refused = await run(["call", "list", "--url", api.listener.url], environment);
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(refused.err).toContain("(UNAUTHORIZED)");
    const right = { MRTC_SIP_GATEWAY_API_TOKEN: TOKENS[0]?.token };
    const number = await run(["call", "add", "--room", "!a:b", "x", "--url", api.listener.url], right);
    expect(number.err).toBe("This is not a phone number (INVALID_NUMBER)");
  });

  test("no gateway at the address: says so, without a stack", async () => {
    const api = await startApi();
    await api[Symbol.asyncDispose]();
    const environment = { MRTC_SIP_GATEWAY_API_TOKEN: TOKENS[0]?.token };
    const { code, err } = await run(["call", "list", "--url", api.listener.url], environment);
    expect(code).toBe(1);
    expect(err).toBe(`No gateway answers at ${api.listener.url}. Is it running, and is the address right?`);
  });
});

test("the program itself: exit codes and streams", async () => {
  const main = (...argv: string[]) => promisify(execFile)(process.execPath, ["src/main.ts", ...argv]);
  expect((await main("--help")).stdout).toContain("Usage: mrtc-sip-gateway COMMAND");
  await expect(main("start", "--config", "/nonexistent.yaml")).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: "/nonexistent.yaml does not exist\n",
  });
  await expect(main("frobnicate")).rejects.toMatchObject({ code: 2 });
});
