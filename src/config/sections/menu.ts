/** The menu that phones dial to get into a room by its number and PIN. */
import { z } from "zod";
import { PIN_DIGITS } from "../../dialin/conference.ts";
import { LANGUAGES } from "../../numbering/language.ts";
import { dialable, key, oneOf, text, wholeNumber } from "../values.ts";

export const menu = z.strictObject({
  numbers: key(
    z.array(dialable()).min(1, { error: "expected at least one number" }),
    "Called numbers that lead to the menu, as the PBX sends them or in canonical form. People are told these.",
    { example: ["+33140506080"] },
  ),
  trunks: key(
    z.exactOptional(z.array(text("the name of a trunk")).min(1, { error: "expected at least one trunk" })),
    "Only calls of these trunks. Default: all.",
    { example: ["xivo"] },
  ),
  language: key(
    oneOf([...LANGUAGES, "ask"]).default("en"),
    "Language for callers whose number does not tell one; with `ask` they choose by key.",
  ),
  pin_digits: key(
    wholeNumber(PIN_DIGITS.min, PIN_DIGITS.max).default(PIN_DIGITS.default),
    "Length of new PINs, and at which an entry ends without `#`. Made smaller: give rooms with a longer PIN a new one.",
  ),
  prompts: key(
    z.exactOptional(text("a folder")),
    "Folder with recordings of your own: `en/greeting.wav` and so on, as in src/media/prompts/. What is missing there is ours.",
    { example: "prompts", path: true },
  ),
});
