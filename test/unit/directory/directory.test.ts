import { expect, test } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDirectory } from "../../../src/directory/directory.ts";
import { openDirectory } from "../../../src/directory/open-directory.ts";
import { createMask } from "../../../src/directory/mask.ts";
import { quietLog } from "../../support/fake-ports.ts";
import { createRecorder } from "../../support/recorder.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";

const plan = { country: "FR", extensionPatterns: ["1XXX"] };
const nameIn = (text: string, file: string, number: string) =>
  createDirectory(text, file, plan).nameOf(parseNumber(number, plan));

const YAML = `
- number: "1001"
  name: Reception
- number: 01 40 50 60 70
  name: "Dupont, Marie"
`;
const CSV = `number,name\r\n1001,Reception\r\n"01 40 50 60 70","Dupont, Marie"\r\n`;

test.each([
  ["directory.yaml", YAML],
  ["directory.csv", CSV],
  ["semicolons.csv", "1001;Reception\n0140506070;Dupont, Marie"],
])("%s gives names, whatever way a number is written", (file, text) => {
  expect(nameIn(text, file, "1001")).toBe("Reception");
  expect(nameIn(text, file, "+33140506070")).toBe("Dupont, Marie");
  expect(nameIn(text, file, "1002")).toBeUndefined();
});

test.each([
  ["d.yaml", '- {number: "1002", name: Bob, user: "@bob:example.org"}\n- {number: "1003", user: "@carol:example.org"}'],
  ["d.csv", "number,name,user\n1002,Bob,@bob:example.org\n1003,,@carol:example.org"],
  ["e.csv", '"1002";"Bob";"@bob:example.org"\n1003;@carol:example.org'],
])("%s says whom a number belongs to", (file, text) => {
  const directory = createDirectory(text, file, plan);
  const of = (number: string) => parseNumber(number, plan);
  expect([directory.personOf(of("1002")), directory.nameOf(of("1002"))]).toEqual(["@bob:example.org", "Bob"]);
  expect([directory.personOf(of("1003")), directory.nameOf(of("1003"))]).toEqual(["@carol:example.org", undefined]);
  expect(directory.personOf(of("1001"))).toBeUndefined();
});

test.each([
  ["d.yaml", '- {number: "1002", user: "@bob:example.org", no_answer: "1003", busy: "01 40 50 60 70"}'],
  ["d.csv", "1002,Bob,@bob:example.org,1003,0140506070"],
  ["e.csv", '1002;;@bob:example.org;1003;"01 40 50 60 70";'],
])("%s says where calls go on that a person does not take", (file, text) => {
  const directory = createDirectory(text, file, plan);
  expect(directory.forwardOf(parseNumber("1002", plan))).toEqual({
    noAnswer: parseNumber("1003", plan),
    busy: parseNumber("+33140506070", plan),
  });
  expect(directory.forwardOf(parseNumber("1003", plan))).toBeUndefined();
});

test("control characters do not get into a name", () => {
  expect(nameIn('- {number: "1001", name: "Re\\u0007ception\\n"}', "d.yaml", "1001")).toBe("Reception");
});

test.each([
  ["d.yaml", "- number: 1001", "d.yaml, line 1, column 3: expected a name or a user"],
  [
    "d.yaml",
    "- number: 1001\n  nam: X",
    'line 2, column 3: expected number, name, user, no_answer, busy or declined, got "nam"',
  ],
  ["d.yaml", "- {number: 1001, name: X}\n- {number: [", "line 2"],
  [
    "d.yaml",
    "- {number: 1001, name: X}\n- {number: '1001', name: Y}",
    "line 2, column 3: this number is there already: line 1",
  ],
  ["d.yaml", "- {number: 1001, user: bob}", "expected a Matrix user"],
  ["d.yaml", "- {number: 1001, name: X, busy: 1002}", "line 1, column 3: only calls to a user go on"],
  ["d.csv", "1001,X,@bob:example.org,nobody", 'line 1, column 1: "nobody" is not a phone number'],
  ["d.yaml", "- just words", "line 1, column 3: expected an entry"],
  ["d.yaml", "a: b", "expected a list"],
  ["d.yaml", "- {number: nobody, name: X}", '"nobody" is not a phone number'],
  ["d.csv", "number,name\njust words", 'd.csv, line 2, column 1: "just words" is not a phone number'],
  ["d.csv", '1001,"Marie', "line 1, column 1: a quote does not end"],
])("%s with %j is refused: %s", (file, text, problem) => {
  expect(() => createDirectory(text, file, plan)).toThrow(problem);
});

test("an empty file and no file hold nobody; a file that is not there is a mistake", async () => {
  expect(nameIn("", "d.yaml", "1001")).toBeUndefined();
  const none = await openDirectory({ file: undefined, plan, log: quietLog });
  expect(none.nameOf(parseNumber("1001", plan))).toBeUndefined();
  await expect(openDirectory({ file: "/nonexistent/d.yaml", plan, log: quietLog })).rejects.toThrow("directory.file");
});

test("a changed file is read again; one with an error changes nothing and is named with its line", async () => {
  const folder = await mkdtemp(join(tmpdir(), "directory-"));
  const file = join(folder, "directory.yaml");
  const told = createRecorder<string>();
  const log = {
    ...quietLog,
    info: () => told.push("read"),
    error: (_fields: object, words: string) => told.push(words),
  };
  await writeFile(file, '- {number: "1001", name: Reception}\n');
  const directory = await openDirectory({ file, plan, log, pollMs: 20 });
  try {
    const name = (): string | undefined => directory.nameOf(parseNumber("1001", plan));
    expect(name()).toBe("Reception");
    await writeFile(file, '- {number: "1001", name: Front desk}\n');
    await told.next("the new file", (words) => words === "read");
    expect(name()).toBe("Front desk");
    await writeFile(file, '- {number: "1001", name: Nobody at all}\n- number: [\n');
    await told.next("the error", (words) => words.includes(`${file}, line`));
    expect(name()).toBe("Front desk");
  } finally {
    directory.close();
    await rm(folder, { recursive: true });
  }
});

test("a mask is 12 small base32 characters, the same for the same number and secret only", () => {
  const mask = createMask(new Uint8Array(32).fill(1));
  const other = createMask(new Uint8Array(32).fill(2));
  expect(mask("+33612345678")).toMatch(/^[a-z2-7]{12}$/);
  expect(mask("+33612345678")).toBe(mask("+33612345678"));
  expect(new Set([mask("+33612345678"), mask("+33612345679"), other("+33612345678")]).size).toBe(3);
});
