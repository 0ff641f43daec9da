/** What the directory's part of the API takes and gives; the OpenAPI document is made from these. */
import { z } from "zod";
import type { Directory } from "../directory/directory.ts";
import { canonicalDigits, NUMBER_CLASSES, type PhoneNumber } from "../numbering/phone-number.ts";
import { userIdSchema } from "./call-schema.ts";

export const findEntriesSchema = z
  .strictObject({
    number: z
      .exactOptional(z.string().min(1).max(64))
      .meta({ description: "What is known of this number, as a person would write it." }),
    user_id: z.exactOptional(userIdSchema).meta({ description: "The numbers of this Matrix user." }),
  })
  .refine((query) => (query.number === undefined) !== (query.user_id === undefined), {
    error: "expected either number or user_id",
  });

const entrySchema = z.strictObject({
  number: z.string().meta({ description: "Canonical: E.164, or an extension." }),
  number_class: z.enum([...NUMBER_CLASSES, "anonymous"]),
  name: z.string().nullable(),
  user_id: z.string().nullable().meta({ description: "Matrix user whom calls to the number ring." }),
});

export const entryListSchema = z.strictObject({
  entries: z.array(entrySchema).meta({ description: "None where nothing is known." }),
});

/** What the directory says of these numbers. */
export const entryListBody = (
  directory: Pick<Directory, "nameOf" | "personOf">,
  numbers: readonly PhoneNumber[],
): z.output<typeof entryListSchema> => ({
  entries: numbers
    .map((number) => ({
      number: canonicalDigits(number),
      number_class: number.class,
      name: directory.nameOf(number) ?? null,
      user_id: directory.personOf(number) ?? null,
    }))
    .filter(({ name, user_id: user }) => name !== null || user !== null),
});
