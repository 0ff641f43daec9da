import { expect, test } from "@jest/globals";
import { createBindings, findOvertaken } from "../../../src/directory/bindings.ts";
import { createDirectory } from "../../../src/directory/directory.ts";
import { userId } from "../../../src/ids.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { openStore } from "../../../src/store/store.ts";

const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
const ADMIN = userId("@admin:example.org");
const BOB = userId("@bob:example.org");
const CAROL = userId("@carol:example.org");
const numberOf = (text: string) => parseNumber(text, PLAN);

const start = (file = "1001,Reception\n1003,Carol,@carol:example.org") => {
  const store = openStore({ path: ":memory:" }).bindings;
  const written = createDirectory(file, "d.csv", PLAN);
  const ruleOf = (digits: string) => (digits === "1500" ? "reception" : undefined);
  const bindings = createBindings({ file: written, store, plan: PLAN, ruleOf });
  return { store, written, bindings, directory: bindings.directory };
};

test("a bound number is its user's, and has their name where the file has none", () => {
  const { bindings, directory, store } = start();
  bindings.bind({ number: "10 02", user: BOB, name: "Bob", boundBy: ADMIN });
  bindings.bind({ number: "1001", user: BOB, name: "Bob", boundBy: BOB });
  expect([directory.personOf(numberOf("1002")), directory.nameOf(numberOf("1002"))]).toEqual([BOB, "Bob"]);
  expect([directory.personOf(numberOf("1001")), directory.nameOf(numberOf("1001"))]).toEqual([BOB, "Reception"]);
  expect(directory.numbersOf(BOB)).toEqual([numberOf("1001"), numberOf("1002")]);
  expect(directory.numbersOf(CAROL)).toEqual([numberOf("1003")]);
  expect(store.all()).toEqual([
    { number: "1001", user: BOB, name: "Bob", boundBy: BOB },
    { number: "1002", user: BOB, name: "Bob", boundBy: ADMIN },
  ]);
});

test("bound again to the same user it stays theirs, unbound it is nobody's", () => {
  const { bindings, directory } = start();
  bindings.bind({ number: "01 40 50 60 70", user: BOB, boundBy: ADMIN });
  bindings.bind({ number: "+33140506070", user: BOB, boundBy: BOB });
  expect(bindings.all()).toEqual([{ number: "+33140506070", user: BOB, boundBy: BOB }]);
  bindings.unbind("+33 1 40 50 60 70");
  expect(directory.personOf(numberOf("+33140506070"))).toBeUndefined();
  expect(directory.numbersOf(BOB)).toEqual([]);
  expect(() => bindings.unbind("1002")).toThrow("1002 is not bound to anybody.");
});

test.each([
  ["1003", "1003 belongs to @carol:example.org in the directory's file."],
  ["1500", "Calls to 1500 go where the dispatch rule reception says."],
  ["1004", "1004 is bound to @carol:example.org: !phone unbind 1004 takes it back."],
  ["112", "112 is nobody's number."],
  ["bob", "This is not a phone number"],
])("%s cannot be bound: %s", (number, words) => {
  const { bindings } = start();
  bindings.bind({ number: "1004", user: CAROL, boundBy: ADMIN });
  expect(() => bindings.bind({ number, user: BOB, boundBy: ADMIN })).toThrow(words);
});

test("where the file says otherwise later, it counts, and the conflict can be told", () => {
  const { store, bindings } = start("");
  bindings.bind({ number: "1002", user: BOB, name: "Bob", boundBy: ADMIN });
  const changed = createDirectory("1002,,@carol:example.org", "d.csv", PLAN);
  const { directory } = createBindings({ file: changed, store, plan: PLAN, ruleOf: () => undefined });
  const number = numberOf("1002");
  expect([directory.personOf(number), directory.nameOf(number)]).toEqual([CAROL, undefined]);
  expect([directory.numbersOf(BOB), directory.numbersOf(CAROL)]).toEqual([[], [number]]);
  expect(findOvertaken(changed, store, PLAN).map(({ user }) => user)).toEqual([BOB]);
  expect(findOvertaken(createDirectory("1002,,@bob:example.org", "d.csv", PLAN), store, PLAN)).toEqual([]);
});
