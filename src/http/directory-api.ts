import { Router } from "express";
import type { Directory } from "../directory/directory.ts";
import { userId } from "../ids.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import { type ApiToken, requireToken } from "./bearer.ts";
import { entryListBody, findEntriesSchema } from "./directory-schema.ts";
import { parse } from "./parse.ts";

export interface DirectoryApiDeps {
  readonly directory: Directory;
  readonly numberPlan: NumberPlan;
  readonly tokens: readonly ApiToken[];
}

const PATH = "/api/v1/directory";

/** Looks up whose a number is, and what numbers a user has. Mounted at the root, as the calls are. */
export const createDirectoryApi = ({ directory, numberPlan, tokens }: DirectoryApiDeps): Router => {
  const router = Router();
  router.get(PATH, requireToken(tokens), (request, response) => {
    const { number = "", user_id: user } = parse(findEntriesSchema, request.query, "The query is wrong");
    const numbers = user === undefined ? [parseNumber(number, numberPlan)] : directory.numbersOf(userId(user));
    response.json(entryListBody(directory, numbers));
  });
  return router;
};
