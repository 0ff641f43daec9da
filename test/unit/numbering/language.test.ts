import { expect, test } from "@jest/globals";
import { isLanguage, type LanguageRules, languageFor } from "../../../src/numbering/language.ts";
import { countPrompts, spokenPromptNames } from "../../../src/dialin/spoken-prompts.ts";

test.each<[string | undefined, LanguageRules, string]>([
  ["+33612345678", {}, "fr"],
  ["+4930123456", { trunk: "fr" }, "de"],
  ["+34911234567", { trunk: "fr" }, "fr"],
  ["+34911234567", { trunk: "ask" }, "ask"],
  ["+34911234567", {}, "en"],
  ["1001", { trunk: "de" }, "de"],
  [undefined, { trunk: "ask" }, "ask"],
  [undefined, {}, "en"],
  ["+41221234567", { prefixes: { "+41": "de", "+4122": "fr" } }, "fr"],
  ["+41441234567", { prefixes: { "+41": "de", "+4122": "fr" } }, "de"],
  ["+33612345678", { prefixes: {}, trunk: "de" }, "de"],
])("a caller %s with %j hears %s", (caller, rules, language) => {
  expect(languageFor(caller, rules)).toBe(language);
});

test("only shipped languages are languages", () => {
  expect(["fr", "it", "toString", ""].map(isLanguage)).toEqual([true, false, false, false]);
});

test.each([
  [0, ["count-one"]],
  [1, ["count-one"]],
  [2, ["count-before", "number-2", "count-after"]],
  [30, ["count-before", "number-30", "count-after"]],
  [31, ["count-many"]],
])("%i people are told as %j, and every name has a file", (people, names) => {
  expect(countPrompts(people)).toEqual(names);
  expect(names.every((name) => (spokenPromptNames() as readonly string[]).includes(name))).toBe(true);
});
