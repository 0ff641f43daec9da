import { expect, test } from "@jest/globals";
import { createBindings } from "../../../../src/directory/bindings.ts";
import { createDirectory } from "../../../../src/directory/directory.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { roomId, userId } from "../../../../src/ids.ts";
import {
  type BindingCommand,
  createBindingCommands,
  parseBindingCommand,
} from "../../../../src/matrix/appservice/binding-commands.ts";
import { openStore } from "../../../../src/store/store.ts";
import { createTestLog } from "../../../support/log.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const CONTROL = roomId("!control:example.org");
const ADMIN = userId("@admin:example.org");
const BOB = userId("@bob:example.org");
const NOBODY = userId("@nobody:example.org");

test.each<[string, string, BindingCommand | undefined]>([
  ["bind", "@bob:example.org 1002", { name: "bind", user: BOB, number: "1002" }],
  ["bind", "01 40 50 60 70 @bob:example.org", { name: "bind", user: BOB, number: "01 40 50 60 70" }],
  ["bind", "@bob:example.org", undefined],
  ["bind", "1002", undefined],
  ["bind", "@bob 1002", undefined],
  ["bind", "@bob:example.org @carol:example.org 1002", undefined],
  ["unbind", "1002", { name: "unbind", number: "1002" }],
  ["unbind", "", undefined],
  ["bindings", "", { name: "bindings" }],
  ["bindings", "1002", undefined],
  ["toString", "", undefined],
])("reads %s %j", (verb, rest, command) => {
  expect(parseBindingCommand(verb, rest)).toEqual(command);
});

const start = () => {
  const bindings = createBindings({
    file: createDirectory("", "d.csv", PLAN),
    store: openStore({ path: ":memory:" }).bindings,
    plan: PLAN,
    ruleOf: () => undefined,
  });
  const welcomed: string[] = [];
  const { log, lines } = createTestLog();
  const run = createBindingCommands({
    bindings,
    isAdministrator: (room, user) => room === CONTROL && user === ADMIN,
    serverName: "example.org",
    nameOf: async (user) => {
      if (user === NOBODY) throw new GatewayError("BAD_REQUEST", "There is no user.");
      return "Bob";
    },
    onBound: (_number, user) => welcomed.push(user),
    log,
  });
  const say = (command: BindingCommand, sender = ADMIN, room = CONTROL) => run({ room, sender, command });
  return { bindings, welcomed, lines, say };
};

const BIND = { name: "bind", user: BOB, number: "1002" } as const;

test("an administrator binds a number in the control room, sees it, and unbinds it", async () => {
  const { bindings, welcomed, say, lines } = start();
  expect(await say({ name: "bindings" })).toBe("No number is bound.");
  expect(await say(BIND)).toBe("Calls to 1002 ring @bob:example.org from now on.");
  expect(bindings.all()).toEqual([{ number: "1002", user: BOB, name: "Bob", boundBy: ADMIN }]);
  expect(welcomed).toEqual([BOB]);
  expect(await say({ name: "bindings" })).toBe("1002: @bob:example.org, by @admin:example.org");
  expect(await say({ name: "unbind", number: "1002" })).toBe("Calls to 1002 do not ring @bob:example.org any more.");
  expect(bindings.all()).toEqual([]);
  expect(lines.map(({ fields }) => (fields as { number?: string }).number)).toEqual(["**02", undefined]);
});

test("who it belongs to may unbind it anywhere; nobody else may do anything", async () => {
  const { bindings, say } = start();
  await say(BIND);
  const elsewhere = roomId("!r:example.org");
  const carol = userId("@carol:example.org");
  for (const command of [BIND, { name: "unbind", number: "1002" }, { name: "bindings" }] as const) {
    await expect(say(command, ADMIN, elsewhere)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await expect(say(command, carol)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  }
  expect(bindings.all()).toHaveLength(1);
  await say({ name: "unbind", number: "1002" }, BOB, elsewhere);
  expect(bindings.all()).toEqual([]);
});

test.each([
  [NOBODY, "There is no user."],
  [userId("@bob:elsewhere.example"), "Only users of the gateway's own homeserver can have a number."],
])("%s gets no number: %s", async (user, words) => {
  const { bindings, welcomed, say } = start();
  await expect(say({ ...BIND, user })).rejects.toThrow(words);
  expect([bindings.all(), welcomed]).toEqual([[], []]);
});
