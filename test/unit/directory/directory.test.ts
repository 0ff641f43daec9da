import { expect, test } from "@jest/globals";
import { createDirectory, loadDirectory } from "../../../src/directory/directory.ts";
import { createMask } from "../../../src/directory/mask.ts";
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

test("control characters do not get into a name", () => {
  expect(nameIn('- {number: "1001", name: "Re\\u0007ception\\n"}', "d.yaml", "1001")).toBe("Reception");
});

test.each([
  ["d.yaml", "- number: 1001", "entry 0.name"],
  ["d.yaml", "a: b", "expected a list"],
  ["d.yaml", "- {number: nobody, name: X}", '"nobody" is not a phone number'],
  ["d.csv", "just words", "entry 0.name"],
])("%s with %j is refused: %s", (file, text, problem) => {
  expect(() => createDirectory(text, file, plan)).toThrow(problem);
});

test("an empty file and no file hold nobody; a file that is not there is a mistake", async () => {
  expect(nameIn("", "d.yaml", "1001")).toBeUndefined();
  expect((await loadDirectory(undefined, plan)).nameOf(parseNumber("1001", plan))).toBeUndefined();
  await expect(loadDirectory("/nonexistent/d.yaml", plan)).rejects.toThrow("directory.file");
});

test("a mask is 12 small base32 characters, the same for the same number and secret only", () => {
  const mask = createMask(new Uint8Array(32).fill(1));
  const other = createMask(new Uint8Array(32).fill(2));
  expect(mask("+33612345678")).toMatch(/^[a-z2-7]{12}$/);
  expect(mask("+33612345678")).toBe(mask("+33612345678"));
  expect(new Set([mask("+33612345678"), mask("+33612345679"), other("+33612345678")]).size).toBe(3);
});
